/**
 * A container in the foreground. In this order, so that nothing is missed: attach, wait for its end, start it; then
 * copy bytes both ways, pass signals and terminal sizes on, and return its exit code.
 */
import { fstatSync } from "node:fs";
import { isatty, ReadStream } from "node:tty";
import type { AttachedStream } from "../api/attach.ts";
import type { ApiClient } from "../api/client.ts";
import { StdcopyReader } from "../api/stdcopy.ts";
import { ThawError } from "../common/errors.ts";
import { Output } from "./output.ts";
import { discard, startAwaited } from "./run-failure.ts";

export interface RunTarget {
  readonly id: string;
  /** Whether this program's stdin goes to the container. */
  readonly input: boolean;
  readonly tty: boolean;
  /** The container removes itself when it exits. */
  readonly remove: boolean;
}

/** What is not passed on: ends of our own children, and what no program can catch. */
const FORWARDED = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGCONT"] as const;

/** Whether stdin is something that ends: a pipe, a file, a socket. A terminal is passed on only when asked. */
export function wantsInput(): boolean {
  try {
    return !fstatSync(0).isCharacterDevice();
  } catch {
    return false;
  }
}

/**
 * Runs a created container to its end on this program's own streams.
 * @returns its exit code.
 * @throws ThawError when it could not be started (it is removed then), or the daemon went away.
 */
export async function runAttached(client: ApiClient, target: RunTarget): Promise<number> {
  const { id, input, tty } = target;
  if (tty && input && !isatty(0)) {
    throw await discard(
      client,
      id,
      new ThawError("INVALID", "-t with input: stdin is not a terminal", { hint: "Leave out -t." }),
    );
  }
  // What would happen to the command without a container around it.
  const output = new Output(() =>
    client.send("containerKill", { params: { id }, query: { signal: "PIPE" } }).then(
      () => undefined,
      () => undefined,
    ),
  );
  const pump = outputPump(output, tty);
  const stream = await client.attach(id, { stdin: input, stdout: 1, stderr: 1 }, { onOutput: pump.push });
  pump.control(stream);
  const started = Promise.withResolvers<void>();
  // From now on: a signal that comes during the start must not end this program and leave the container behind.
  const restores = [forwardSignals(client, id, started.promise)];
  if (tty) restores.push(followTerminal(client, id, input, started.promise));
  try {
    const exited = await startAwaited(client, id);
    started.resolve();
    if (input) void copyInput(stream).catch(() => undefined);
    // The daemon may be restarted while the container goes on; then there is nothing more to read here.
    await stream.done;
    const { StatusCode } = await exited();
    await pump.drained();
    return StatusCode;
  } finally {
    for (const restore of restores) restore();
    stream.close();
  }
}

/** Output as it comes, holding the container back while our own reader is slower. */
function outputPump(output: Output, tty: boolean) {
  const reader = new StdcopyReader((stream, bytes) => output.write(stream, bytes));
  let stream: AttachedStream | undefined;
  let flushing: Promise<void> | undefined;
  const flush = async () => {
    stream?.pause();
    await output.flush();
    flushing = undefined;
    stream?.resume();
  };
  return {
    push: (bytes: Uint8Array) => {
      if (tty) output.write("stdout", bytes);
      else reader.push(bytes);
      flushing ??= flush();
    },
    control: (attached: AttachedStream) => {
      stream = attached;
    },
    drained: async () => {
      while (flushing !== undefined) await flushing;
      await output.flush();
    },
  };
}

async function copyInput(stream: AttachedStream): Promise<void> {
  for await (const chunk of Bun.stdin.stream()) await stream.write(chunk);
  stream.end();
}

function forwardSignals(client: ApiClient, id: string, started: Promise<void>): () => void {
  const listeners = FORWARDED.map((signal) => {
    const send = () => client.send("containerKill", { params: { id }, query: { signal } });
    const listener = () => void started.then(send).catch(() => undefined);
    process.on(signal, listener);
    return [signal, listener] as const;
  });
  return () => {
    for (const [signal, listener] of listeners) process.off(signal, listener);
  };
}

/** The terminal becomes the container's: raw, so that its keys are, and of its size, now and after each change. */
function followTerminal(client: ApiClient, id: string, input: boolean, started: Promise<void>): () => void {
  const resize = () => {
    const { columns, rows } = process.stdout;
    if (!columns || !rows) return;
    void client.send("containerResize", { params: { id }, query: { h: rows, w: columns } }).catch(() => undefined);
  };
  void started.then(resize);
  process.on("SIGWINCH", resize);
  const terminal = input && isatty(0) ? process.stdin : undefined;
  if (terminal instanceof ReadStream) terminal.setRawMode(true);
  return () => {
    process.off("SIGWINCH", resize);
    if (terminal instanceof ReadStream) terminal.setRawMode(false);
  };
}
