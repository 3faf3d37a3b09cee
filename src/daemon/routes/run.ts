/**
 * A container from its making to its end over one connection, as src/api/run.ts describes it.
 */
import type { Duplex } from "node:stream";
import { createSchema, runQuerySchema } from "../../api/containers.ts";
import { errorBody } from "../../api/errors.ts";
import type { RouteName } from "../../api/routes.ts";
import { type RunEnded, RunFrame, type RunStarted } from "../../api/run.ts";
import { FrameReader, frame } from "../../api/stdcopy.ts";
import { asThawError, ThawError } from "../../common/errors.ts";
import { endNote } from "../../container/index.ts";
import type { Attachment, Container } from "../../container/types.ts";
import type { Call, Handler } from "../call.ts";
import type { Parts } from "../parts.ts";
import { createContainer } from "./containers.ts";

const AGREED = "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n";
/** Exit codes of a start that failed: no such program, cannot be run, anything else. */
const START_CODES = [127, 126];
const OTHER_FAILURE = 125;

export function runRoutes(parts: Parts): Record<"containerRun" & RouteName, Handler> {
  return { containerRun: (call) => run(parts, call) };
}

async function run(parts: Parts, call: Call): Promise<void> {
  const { socket } = call;
  if (socket === undefined) {
    throw new ThawError("INVALID", "run: expected a request to upgrade the connection", {
      hint: "Send the headers Connection: Upgrade and Upgrade: tcp.",
    });
  }
  // The client says its end of input in a frame: the end of its side of the connection is the end of the client.
  socket.on("end", () => socket.destroy());
  const { name, detach } = call.query(runQuerySchema);
  const input = new Input(socket);
  const request = await call.firstLine(socket, createSchema, (bytes) => input.push(bytes));
  const container = await createContainer(parts, request, name);
  if (detach) await startDetached(parts, container, socket);
  else await runAttached(parts, container, call, socket, input);
}

async function startDetached(parts: Parts, container: Container, socket: Duplex): Promise<void> {
  const { answer } = await start(parts, container);
  socket.end(answer);
}

async function runAttached(
  parts: Parts,
  container: Container,
  call: Call,
  socket: Duplex,
  input: Input,
): Promise<void> {
  const { containers } = parts;
  const { id, spec } = container;
  const attachment = await attach(parts, container);
  call.signal.addEventListener("abort", () => attachment.close());
  // Before the start, so that a quick end cannot be missed.
  const ended = containers.wait(id, call.signal);
  ended.catch(() => undefined);
  const { runs, answer } = await start(parts, container);
  if (!runs) return void socket.end(answer);
  await call.write(answer, socket);
  input.connect(spec.openStdin ? attachment : undefined);
  const frames = new FrameReader({ onBytes: () => undefined });
  for await (const bytes of attachment.output) {
    if (!spec.tty) frames.push(bytes);
    await call.write(spec.tty ? frame(1, bytes) : bytes, socket);
  }
  const end = await ended;
  const note = endNote(end);
  // The launcher died in the middle of a frame: nothing more can be said on this connection.
  if (!frames.atBoundary) return void socket.destroy();
  socket.end(
    json(RunFrame.ended, { StatusCode: end.exitCode, ...(note === "" ? {} : { Note: note }) } satisfies RunEnded),
  );
}

/** @throws ThawError when that is not possible; the container is removed then. */
async function attach(parts: Parts, { id, spec }: Container): Promise<Attachment> {
  try {
    return await parts.containers.attach(id, { stdin: spec.openStdin, stdout: true, stderr: true });
  } catch (error) {
    await discard(parts, id);
    throw error;
  }
}

/** Starts a container; one that could not be started is removed. `answer` tells the client, the consent to upgrade before it. */
async function start(parts: Parts, { id }: Container): Promise<{ runs: boolean; answer: Uint8Array }> {
  const { containers } = parts;
  let code = OTHER_FAILURE;
  const stop = containers.onChange((change) => {
    if (change.id === id && change.state === "exited" && START_CODES.includes(change.exitCode)) code = change.exitCode;
  });
  try {
    await containers.start(id);
    return { runs: true, answer: agreed(json(RunFrame.started, { Id: id } satisfies RunStarted)) };
  } catch (error) {
    await discard(parts, id);
    const ended: RunEnded = { StatusCode: code, Error: errorBody(asThawError(error)) };
    return { runs: false, answer: agreed(json(RunFrame.ended, ended)) };
  } finally {
    stop();
  }
}

function agreed(first: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from(AGREED), first]);
}

function json(number: number, value: object): Uint8Array {
  return frame(number, Buffer.from(JSON.stringify(value)));
}

/** Removes what is of no use; it may have removed itself. */
async function discard({ containers, removals }: Parts, id: string): Promise<void> {
  await containers.remove(id, { force: true, volumes: true }).then(
    () => removals.emit(id),
    () => undefined,
  );
}

/** The client's frames of input, passed on as fast as the container takes them. */
class Input {
  readonly #socket: Duplex;
  readonly #reader = new FrameReader({
    onBytes: (_, bytes) => this.#take(bytes),
    onEnd: () => this.#took(),
  });
  readonly #attached = Promise.withResolvers<Attachment | undefined>();
  #written: Promise<void> = this.#attached.promise.then(() => undefined);
  #empty = true;

  constructor(socket: Duplex) {
    this.#socket = socket;
  }

  /** Where it goes; undefined: nowhere. */
  connect(attachment: Attachment | undefined): void {
    this.#attached.resolve(attachment);
  }

  push(bytes: Uint8Array): void {
    this.#socket.pause();
    this.#reader.push(bytes);
    void this.#written.then(
      () => void this.#socket.resume(),
      () => void this.#socket.destroy(),
    );
  }

  #take(bytes: Uint8Array): void {
    this.#empty = false;
    this.#then((attachment) => attachment?.write(bytes));
  }

  #took(): void {
    if (this.#empty) this.#then((attachment) => attachment?.closeInput());
    this.#empty = true;
  }

  #then(step: (attachment: Attachment | undefined) => Promise<void> | void | undefined): void {
    this.#written = this.#written.then(async () => step(await this.#attached.promise));
  }
}
