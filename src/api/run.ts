/**
 * A container from its making to its end over one connection: POST /thaw/v1/run, which asks for an upgrade. What
 * takes Docker's clients five calls is one here, because each call costs a command of a few milliseconds its share.
 *
 *     client                                                   daemon
 *     head, then one line: the JSON of a container's making -->
 *                                                          <-- an error as of any route, or: 101, and in frames
 *                                                          <-- STARTED  {"Id"}
 *     INPUT frames, an empty one is the end of input       -->
 *                                                          <-- 1, 2     output; all on 1 with a terminal
 *                                                          <-- ENDED    {"StatusCode"}, with "Error" for a failed start
 *
 * The client does not wait for an answer before it sends the line. A container that could not be started is removed.
 * With `detach` the connection ends after STARTED. Frames are those of stdcopy.ts. The end of input is a frame and not
 * the end of the connection's one direction, so that a client which goes away is known from one which has no more to say.
 */
import type { ThawError } from "../common/errors.ts";
import type { CreateInput } from "./containers.ts";
import { type ErrorBody, errorFromBody } from "./errors.ts";
import { type Query, routeAddress } from "./routes.ts";
import { FrameReader, frame, type OutputStream } from "./stdcopy.ts";
import { broken, type UpgradedStream, upgradeStream } from "./upgrade.ts";

/** Numbers of frames beside Docker's 1 and 2. */
export const RunFrame = { input: 0, started: 3, ended: 4 } as const;

/** Payload of the frame STARTED. */
export interface RunStarted {
  readonly Id: string;
}

/** Payload of the frame ENDED. */
export interface RunEnded {
  /** As a shell has it; that of a failed start is 125, 126 or 127, as Docker has it. */
  readonly StatusCode: number;
  /** What there is to say beside its exit code: "killed: out of memory (limit 64m)". */
  readonly Note?: string;
  /** Why the container could not be started. */
  readonly Error?: ErrorBody;
}

export interface RunHandlers {
  /** Called when the container runs. */
  readonly onStarted: (id: string) => void;
  readonly onOutput: (stream: OutputStream, bytes: Uint8Array) => void;
}

/** How a container ended: by itself, or before it ran. */
export interface RunEnd {
  readonly exitCode: number;
  readonly note: string;
  readonly error: ThawError | undefined;
}

/** A container that this client started. */
export interface RunningContainer extends Pick<UpgradedStream, "pause" | "resume" | "close"> {
  /** Rejects with DAEMON_UNREACHABLE when the connection broke. Undefined: it was detached. */
  readonly ended: Promise<RunEnd | undefined>;
  /** Sends input. Resolves when more may be written. */
  write(bytes: Uint8Array): Promise<void>;
  /** Ends the container's input; output goes on. */
  endInput(): void;
}

/**
 * Runs a container. Resolves when the daemon has begun to answer.
 * @throws ThawError as the daemon says of a container that cannot be made, or what `upgradeStream` throws.
 */
export async function runContainer(
  socketPath: string,
  query: Query,
  body: CreateInput,
  handlers: RunHandlers,
): Promise<RunningContainer> {
  const answers = new Answers(handlers, query.detach === true);
  const { path } = routeAddress("containerRun", {}, query);
  const stream = await upgradeStream(socketPath, path, {
    firstLine: JSON.stringify(body),
    onData: (bytes) => answers.push(bytes),
  });
  const ended = stream.done.then(() => answers.end());
  // Who closes the connection need not look at what that came to.
  ended.catch(() => undefined);
  return {
    ended,
    write: (bytes) => stream.write(frame(RunFrame.input, bytes)),
    endInput: () => void stream.write(frame(RunFrame.input, new Uint8Array(0))),
    pause: stream.pause,
    resume: stream.resume,
    close: stream.close,
  };
}

/** The frames of the daemon, taken apart. */
class Answers {
  readonly #handlers: RunHandlers;
  readonly #reader = new FrameReader({
    onBytes: (number, bytes) => this.#take(number, bytes),
    onEnd: (number) => this.#whole(number),
  });
  /** The JSON of the frame that is coming. */
  #json: Uint8Array[] = [];
  /** Whether what was to be told has been told. */
  #complete = false;
  #ended: RunEnd | undefined;
  readonly #detached: boolean;

  constructor(handlers: RunHandlers, detached: boolean) {
    this.#handlers = handlers;
    this.#detached = detached;
  }

  push(bytes: Uint8Array): void {
    this.#reader.push(bytes);
  }

  /** What there is to say at the connection's end. @throws ThawError DAEMON_UNREACHABLE. */
  end(): RunEnd | undefined {
    if (this.#complete) return this.#ended;
    throw broken("it ended before the container did");
  }

  #take(number: number, bytes: Uint8Array): void {
    if (number === 1) this.#handlers.onOutput("stdout", bytes);
    else if (number === 2) this.#handlers.onOutput("stderr", bytes);
    else this.#json.push(bytes);
  }

  #whole(number: number): void {
    if (number === RunFrame.started) {
      this.#complete = this.#detached;
      this.#handlers.onStarted(this.#parsed<RunStarted>().Id);
    } else if (number === RunFrame.ended) {
      const { StatusCode: exitCode, Note: note = "", Error: error } = this.#parsed<RunEnded>();
      this.#complete = true;
      this.#ended = { exitCode, note, error: error === undefined ? undefined : errorFromBody(error, 500) };
    }
  }

  /** The daemon is this program: its answers are not checked, as in client.ts. */
  #parsed<T>(): T {
    const text = Buffer.concat(this.#json).toString("utf8");
    this.#json = [];
    return JSON.parse(text) as T;
  }
}
