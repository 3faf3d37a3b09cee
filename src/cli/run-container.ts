/**
 * `thaw run`: the container on this program's own streams. Bytes are copied both ways, signals and terminal sizes
 * passed on, and its exit code returned. All of it goes over one connection (see api/run.ts) but signals and sizes,
 * which must not queue behind input that the container does not read.
 */
import { fstatSync } from "node:fs";
import type { ApiClient } from "../api/client.ts";
import type { CreateInput } from "../api/containers.ts";
import type { RunEnd, RunningContainer } from "../api/run.ts";
import { ThawError } from "../common/errors.ts";
import { Output } from "./output.ts";
import { printError } from "./print.ts";

export interface RunTarget {
  readonly name: string | undefined;
  readonly request: CreateInput;
  /** Whether this program's stdin goes to the container. */
  readonly input: boolean;
  readonly tty: boolean;
}

/** A container that could not be started. Docker's codes: 127 no such program, 126 it cannot be executed, else 125. */
export class RunFailure extends ThawError {
  readonly exitCode: number;

  constructor(error: ThawError, exitCode: number) {
    super(error.code, error.message, { ...(error.hint === undefined ? {} : { hint: error.hint }), cause: error });
    this.exitCode = exitCode;
  }
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

/** Starts a container and leaves it to itself. @returns its id. @throws RunFailure, ThawError when it cannot be made. */
export async function runDetached(client: ApiClient, { name, request }: RunTarget): Promise<string> {
  let id = "";
  const onStarted = (started: string) => {
    id = started;
  };
  const run = await client.run({ name, detach: true }, request, { onStarted, onOutput: () => undefined });
  exitCodeOf(await run.ended);
  return id;
}

/**
 * Runs a container to its end on this program's own streams.
 * @returns its exit code.
 * @throws RunFailure when it could not be started, ThawError when it could not be made or the daemon went away.
 */
export async function runAttached(client: ApiClient, { name, request, input, tty }: RunTarget): Promise<number> {
  const { promise: started, resolve: onStarted } = Promise.withResolvers<string>();
  // What would happen to the command without a container around it.
  const output = new Output(() => started.then((id) => sendSignal(client, id, "PIPE")));
  const pump = outputPump(output);
  // From now on: a signal that comes during the start must not end this program and leave the container behind.
  const restores = [forwardSignals(client, started)];
  let run: RunningContainer | undefined;
  try {
    if (tty) restores.push((await import("./terminal.ts")).followTerminal(client, started, input));
    run = await client.run({ name }, request, { onStarted, onOutput: pump.push });
    pump.control(run);
    if (input) void copyInput(run, started).catch(() => undefined);
    const end = await run.ended;
    const code = exitCodeOf(end);
    await pump.drained();
    if (end?.note) printError(`thaw: ${end.note}`);
    return code;
  } finally {
    for (const restore of restores) restore();
    run?.close();
  }
}

function exitCodeOf(end: RunEnd | undefined): number {
  if (end?.error !== undefined) throw new RunFailure(end.error, end.exitCode);
  return end?.exitCode ?? 0;
}

/** Output as it comes, holding the container back while our own reader is slower. */
function outputPump(output: Output) {
  let run: RunningContainer | undefined;
  let flushing: Promise<void> | undefined;
  const flush = async () => {
    run?.pause();
    await output.flush();
    flushing = undefined;
    run?.resume();
  };
  return {
    push: (stream: "stdout" | "stderr", bytes: Uint8Array) => {
      output.write(stream, bytes);
      flushing ??= flush();
    },
    control: (started: RunningContainer) => {
      run = started;
    },
    drained: async () => {
      while (flushing !== undefined) await flushing;
      await output.flush();
    },
  };
}

/** A container that does not come to run takes none of our input. */
async function copyInput(run: RunningContainer, started: Promise<string>): Promise<void> {
  await started;
  for await (const chunk of Bun.stdin.stream()) await run.write(chunk);
  run.endInput();
}

async function sendSignal(client: ApiClient, id: string, signal: string): Promise<void> {
  await client.send("containerKill", { params: { id }, query: { signal } }).catch(() => undefined);
}

function forwardSignals(client: ApiClient, started: Promise<string>): () => void {
  const listeners = FORWARDED.map((signal) => {
    const listener = () => void started.then((id) => sendSignal(client, id, signal));
    process.on(signal, listener);
    return [signal, listener] as const;
  });
  return () => {
    for (const [signal, listener] of listeners) process.off(signal, listener);
  };
}
