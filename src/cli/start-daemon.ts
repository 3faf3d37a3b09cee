/**
 * Starting the daemon from the command line: the same program again, in a session of its own, with a pipe as its
 * stdout on which it says one JSON line when it serves or why it cannot. Its end without a line is an end of the
 * pipe, so nobody waits for a daemon that died.
 */
import { closeSync, mkdirSync, openSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { errorFromBody } from "../api/errors.ts";
import { ThawError } from "../common/errors.ts";
import type { Paths } from "../common/paths.ts";

/** The first start of a data directory may have to prepare much. */
const START_LIMIT_MS = 60_000;
const RETRY_MS = 20;

/**
 * Starts a daemon and waits until it serves.
 * @throws ThawError NOT_PERMITTED when not root, DAEMON_UNREACHABLE, or whatever kept the daemon from starting.
 */
export async function startDaemon(paths: Paths): Promise<void> {
  if (process.getuid?.() !== 0) {
    throw new ThawError("NOT_PERMITTED", "no thaw daemon runs, and only root can start one", {
      hint: "Run the command as root (sudo thaw ...).",
    });
  }
  mkdirSync(paths.run, { recursive: true, mode: 0o711 });
  const log = openSync(join(paths.run, "daemon.log"), "a", 0o600);
  try {
    const child = Bun.spawn([...ownProgram(), "daemon", "--announce"], {
      cwd: "/",
      // Named, because without it a child gets the environment this program was started with, not today's.
      env: { ...process.env, THAW_DATA: paths.data, THAW_RUN: paths.run, THAW_CACHE: paths.cache },
      detached: true,
      stdio: ["ignore", "pipe", log],
    });
    await Promise.race([announced(child.stdout, paths), tooLate(paths)]);
    child.unref();
  } finally {
    closeSync(log);
  }
}

/** The arguments that run this program: itself when compiled, else Bun with its main file. */
export function ownProgram(): string[] {
  const main = Bun.main;
  return main.startsWith("/$bunfs/") ? [process.execPath] : [process.execPath, main];
}

async function announced(stdout: ReadableStream<Uint8Array>, paths: Paths): Promise<void> {
  const line = await firstLine(stdout);
  if (line === "") throw unreachable("it ended while it was starting", paths);
  // The daemon is this program; see cli `daemon --announce`.
  const said = JSON.parse(line) as { ready?: true; error?: unknown };
  if (said.ready) return;
  const error = errorFromBody(said.error, 500);
  // Another command was quicker: its daemon is about to serve.
  if (error.code !== "WRONG_STATE") throw error;
  await untilServing(paths.apiSocket);
}

async function firstLine(stream: ReadableStream<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of stream) {
    text += decoder.decode(chunk, { stream: true });
    const end = text.indexOf("\n");
    if (end >= 0) return text.slice(0, end);
  }
  return "";
}

async function untilServing(socket: string): Promise<void> {
  const until = performance.now() + START_LIMIT_MS;
  while (!(await answers(socket)) && performance.now() < until) await Bun.sleep(RETRY_MS);
}

function answers(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(socket);
    probe.on("connect", () => resolve(true));
    probe.on("error", () => resolve(false));
    probe.on("connect", () => probe.destroy());
  });
}

async function tooLate(paths: Paths): Promise<never> {
  await new Promise((resolve) => setTimeout(resolve, START_LIMIT_MS).unref());
  throw unreachable(`it does not serve after ${START_LIMIT_MS / 1000} s`, paths);
}

function unreachable(what: string, paths: Paths): ThawError {
  return new ThawError("DAEMON_UNREACHABLE", `the daemon could not be started: ${what}`, {
    hint: `See ${join(paths.run, "daemon.log")}.`,
  });
}
