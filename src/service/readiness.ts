/**
 * When a service may be checkpointed: the condition of its spec, watched through events (a queued connection,
 * an answer, a line of its log). One signal carries the deadline and the container's death through all of it.
 */
import { ThawError } from "../common/errors.ts";
import type { LogRecord } from "../container/types.ts";
import type { Probe } from "./ports.ts";
import { pattern } from "./spec.ts";
import type { CheckpointWhen } from "./types.ts";

/** Between two tries of a health path that answered with an error status, ms: such an answer announces no next one. */
const UNHEALTHY_PAUSE_MS = 50;

const NO_ANSWER = 0;

/** The container whose readiness is awaited. */
export interface Candidate {
  readonly probe: Probe;
  logs(signal: AbortSignal): AsyncIterable<LogRecord>;
}

/**
 * Resolves when the condition holds and the port accepts.
 * @throws the signal's reason, or ThawError NOT_READY.
 */
export async function awaitReady(when: CheckpointWhen, candidate: Candidate, signal: AbortSignal): Promise<void> {
  switch (when.when) {
    case "ready":
    case "never":
      return candidate.probe.connected(signal);
    case "healthy":
      return awaitHealthy(when.path, candidate.probe, signal);
    case "log":
      await awaitLine(pattern(when.pattern), candidate.logs(signal));
      signal.throwIfAborted();
      return candidate.probe.connected(signal);
  }
}

/** Resolves when a path is answered with a status below 400. @throws the signal's reason. */
export async function awaitHealthy(path: string, probe: Probe, signal: AbortSignal): Promise<void> {
  for (;;) {
    // A connection that a server resets while it starts is no answer yet; the deadline ends this.
    const status = await probe.get(path, signal).catch(() => NO_ANSWER);
    if (status >= 200 && status < 400) return;
    await pause(UNHEALTHY_PAUSE_MS, signal);
  }
}

/** Resolves when a line matches. @throws ThawError NOT_READY when the log ends before. */
export async function awaitLine(wanted: RegExp, records: AsyncIterable<LogRecord>): Promise<void> {
  const decoders = { stdout: new TextDecoder(), stderr: new TextDecoder() };
  const pending = { stdout: "", stderr: "" };
  for await (const { stream, bytes } of records) {
    const lines = (pending[stream] + decoders[stream].decode(bytes, { stream: true })).split("\n");
    // The unfinished line counts too: a prompt may never end with a newline.
    if (lines.some((line) => wanted.test(line))) return;
    pending[stream] = (lines.at(-1) ?? "").slice(-LINE_CHARACTERS);
  }
  throw new ThawError("NOT_READY", `the log ended without a line that matches ${wanted}`);
}

/** The end of an unfinished line that is kept for matching. */
const LINE_CHARACTERS = 65_536;

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    if (signal.aborted) return reject(signal.reason);
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal.addEventListener("abort", stop, { once: true });
  });
}
