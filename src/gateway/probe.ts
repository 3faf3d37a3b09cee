/**
 * A unix socket of the launcher's that leads into one container. A connection to it waits until somebody listens at
 * the container's port, which the launcher then reports, so that waiting for readiness is waiting for an event. What
 * the launcher writes when the time is up begins with a byte that no text protocol begins with.
 */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { ThawError } from "../common/errors.ts";
import { ListenerState, Stdio } from "../launcher/generated/protocol.ts";
import { type LauncherClient, WAKES_NOTHING } from "../launcher/index.ts";
import type { Probe } from "../service/ports.ts";

/** Written to a probe's connection by the launcher when nothing accepted in time. */
const REFUSED = new Uint8Array([0, ...new TextEncoder().encode("thaw: refused")]);

/** Names of this daemon's own open probes: all others are an earlier daemon's. */
const PREFIX = `probe.${crypto.randomUUID().slice(0, 8)}.`;
const SHAPE = /^probe\.[0-9a-f]{8}\./;

/** Whether a listener is the probe of a daemon that is gone. */
export function isLeftProbe(listener: string): boolean {
  return SHAPE.test(listener) && !listener.startsWith(PREFIX);
}

export interface ProbeTarget {
  readonly container: string;
  readonly port: number;
  /** How long the launcher tries to connect, ms. */
  readonly readyMs: number;
}

/** Opens a probe. @throws ThawError LAUNCHER_FAILED. */
export async function openProbe(client: LauncherClient, runDir: string, target: ProbeTarget): Promise<Probe> {
  const id = `${PREFIX}${crypto.randomUUID().slice(0, 13)}`;
  const path = join(runDir, `${id}.sock`);
  const close = async () => {
    await client.request({ kind: "unlisten", id }).catch(() => {});
    await rm(path, { force: true });
  };
  try {
    await client.request({ kind: "listen", id, address: "", port: 0, path, backlog: 64 });
    await client.request({
      kind: "route",
      id,
      target: target.container,
      port: target.port,
      readyMs: target.readyMs,
      stdio: Stdio.none,
      log: "",
      ...WAKES_NOTHING,
      refusal: REFUSED,
    });
  } catch (error) {
    await close();
    throw error;
  }
  const opened = { id, path, port: target.port };
  return {
    connected: (signal) => connected(client, opened, signal),
    get: (at, signal) => get(opened, at, signal),
    close,
  };
}

interface Opened {
  /** Of the listener. */
  readonly id: string;
  /** Of its socket. */
  readonly path: string;
  /** Inside the container. */
  readonly port: number;
}

/**
 * Opens a connection and waits until the launcher says that it leads somewhere. The connection stays open and
 * silent until then; nothing is sent to a service that may not expect it.
 */
async function connected(client: LauncherClient, at: Opened, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const abort = () => reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  const stops = [
    client.onReconnect(() => reject(new ThawError("LAUNCHER_FAILED", "the launcher was restarted"))),
    client.onEvent((event) => {
      if (event.kind === "listener_changed" && event.id === at.id && event.state === ListenerState.awake) resolve();
    }),
  ];
  const opened = Bun.connect({
    unix: at.path,
    socket: {
      binaryType: "uint8array",
      data: (_own, bytes) => (isRefusal(bytes) ? reject(notAccepting(at.port)) : resolve()),
      // A service that accepted and closed at once has accepted; the refusal comes before the end.
      close: () => resolve(),
      error: (_own, error) => reject(error),
    },
  });
  opened.catch(reject);
  try {
    await promise;
  } finally {
    signal.removeEventListener("abort", abort);
    for (const stop of stops) stop();
    opened.then(
      (socket) => socket.terminate(),
      () => {},
    );
  }
}

async function get({ path, port }: Opened, at: string, signal: AbortSignal): Promise<number> {
  signal.throwIfAborted();
  try {
    const response = await fetch(new URL(at, `http://localhost:${port}`), {
      unix: path,
      signal,
      redirect: "manual",
      headers: { connection: "close", "user-agent": "thaw" },
    });
    await response.arrayBuffer();
    return response.status;
  } catch (cause) {
    signal.throwIfAborted();
    throw new ThawError("NOT_READY", `port ${port} gave no HTTP answer to GET ${at}`, {
      hint: "The port has to speak HTTP for a health path or warm-up requests; `thaw logs` shows what the service says.",
      cause,
    });
  }
}

function isRefusal(bytes: Uint8Array): boolean {
  return bytes.length >= REFUSED.length && REFUSED.every((byte, index) => bytes[index] === byte);
}

function notAccepting(port: number): ThawError {
  return new ThawError("NOT_READY", `nothing listens on port ${port} in the container`, {
    hint: "Check the container's side of `ports:`, and that the service listens on 0.0.0.0 or 127.0.0.1.",
  });
}
