/**
 * The API's client, for the CLI and the benchmarks: fetch over the daemon's unix socket. Answers are not checked
 * against schemas: the daemon is the same program, and the command line has to be quick.
 */
import { errnoOf, ThawError } from "../common/errors.ts";
import type { CreateInput } from "./containers.ts";
import { errorFromBody } from "./errors.ts";
import { type Query, type RouteName, routeAddress } from "./routes.ts";
import { type RunHandlers, type RunningContainer, runContainer } from "./run.ts";
import type { ProgressLine } from "./thaw.ts";

export interface CallOptions {
  /** The route's path parameters. */
  readonly params?: Record<string, string>;
  readonly query?: Query;
  /** Sent as JSON. */
  readonly body?: unknown;
  readonly signal?: AbortSignal;
}

export class ApiClient {
  readonly #socket: string;
  readonly #onAbsent: (() => Promise<void>) | undefined;

  /**
   * @param socket    the daemon's socket.
   * @param onAbsent  starts a daemon; called when none answers, then the call is made again, once.
   */
  constructor(socket: string, onAbsent?: () => Promise<void>) {
    this.#socket = socket;
    this.#onAbsent = onAbsent;
  }

  /** Makes a call and returns its JSON answer. @throws ThawError as the daemon says, DAEMON_UNREACHABLE. */
  async json<Answer>(route: RouteName, options: CallOptions = {}): Promise<Answer> {
    return this.answer(await this.send(route, options));
  }

  /** The JSON of a response that `send` returned. @throws ThawError DAEMON_UNREACHABLE when it breaks off. */
  async answer<Answer>(response: Response): Promise<Answer> {
    if (response.status === 204 || response.status === 304) return undefined as Answer; // such routes have none
    try {
      // The routes' documented types; see above for why they are trusted.
      return (await response.json()) as Answer;
    } catch (error) {
      throw unreachable(error);
    }
  }

  /** Makes a call and returns the response with its body still to be read. @throws as `json`. */
  async send(route: RouteName, options: CallOptions = {}): Promise<Response> {
    const response = await this.#fetch(route, options);
    if (response.status < 400) return response;
    throw errorFromBody(await response.json().catch(() => undefined), response.status);
  }

  /** Makes a call that answers with a progress stream; returns its result. @throws as `json`. */
  async progress<Result>(route: RouteName, options: CallOptions, onLine: (text: string) => void): Promise<Result> {
    const response = await this.send(route, options);
    for await (const text of lines(response.body)) {
      // Trusted as the answers of `json` are.
      const line = JSON.parse(text) as ProgressLine<Result>;
      if ("progress" in line) onLine(line.progress);
      else if ("result" in line) return line.result;
      else throw errorFromBody(line.error, response.status);
    }
    throw new ThawError("DAEMON_UNREACHABLE", "the daemon's answer ended before its result", {
      hint: "See daemon.log in the run directory for why the daemon ended.",
    });
  }

  /** Makes and starts a container, and follows it to its end unless detached. @throws as `json`. */
  run(query: Query, body: CreateInput, handlers: RunHandlers): Promise<RunningContainer> {
    return this.#reaching(() => runContainer(this.#socket, query, body, handlers));
  }

  #fetch(route: RouteName, options: CallOptions): Promise<Response> {
    // Asking twice does no harm, so a daemon that was just dying is as good as none.
    const repeatable = routeAddress(route, options.params, options.query).method === "GET";
    return this.#reaching(() => this.#fetchOnce(route, options), repeatable);
  }

  /** Does something with the daemon; when none is there, one is started and it is done again, once. */
  async #reaching<T>(attempt: () => Promise<T>, repeatable = false): Promise<T> {
    try {
      return await attempt();
    } catch (error) {
      const again = isAbsent(error) || (repeatable && errnoOf(error) === "ECONNRESET");
      if (!again || this.#onAbsent === undefined) throw unreachable(error);
    }
    await this.#onAbsent();
    return attempt().catch((error: unknown) => {
      throw unreachable(error);
    });
  }

  #fetchOnce(route: RouteName, { params, query, body, signal }: CallOptions): Promise<Response> {
    const { method, path } = routeAddress(route, params, query);
    return fetch(`http://thaw${path}`, {
      unix: this.#socket,
      method,
      keepalive: false,
      // Waiting for a container may take days.
      timeout: false,
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
      ...(signal === undefined ? {} : { signal }),
    } as RequestInit); // `timeout` is missing in the types
  }
}

/** Whether nobody listens at the socket. */
function isAbsent(error: unknown): boolean {
  const code = errnoOf(error);
  return code === "ECONNREFUSED" || code === "ENOENT" || code === "FailedToOpenSocket";
}

/** What went wrong with the connection, for people. */
function unreachable(error: unknown): unknown {
  if (error instanceof ThawError || (error instanceof Error && error.name === "AbortError")) return error;
  if (errnoOf(error) === "EACCES" || errnoOf(error) === "EPERM") {
    return new ThawError("NOT_PERMITTED", "you may not use the daemon's socket", {
      hint: "Run thaw as root, or become a member of the group thaw.",
      cause: error,
    });
  }
  const reason = errnoOf(error) ?? (error instanceof Error ? error.message : String(error));
  return new ThawError("DAEMON_UNREACHABLE", `the daemon does not answer (${reason})`, {
    hint: "Containers go on without it, and the next command starts it again; see daemon.log in the run directory.",
    cause: error,
  });
}

async function* lines(body: ReadableStream<Uint8Array> | null): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let pending = "";
  try {
    for await (const chunk of body ?? []) {
      const parts = (pending + decoder.decode(chunk, { stream: true })).split("\n");
      pending = parts.pop() ?? "";
      yield* parts;
    }
  } catch (error) {
    throw unreachable(error);
  }
}
