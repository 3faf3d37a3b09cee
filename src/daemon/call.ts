/**
 * One API call as a handler sees it, over node:http's objects: parsed parameters, a bounded body, a signal that
 * aborts when the client goes away, and the few ways there are to answer.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { z } from "zod";
import { errorBody } from "../api/errors.ts";
import type { RouteMatch, RouteName } from "../api/routes.ts";
import type { ProgressLine } from "../api/thaw.ts";
import { parse } from "../api/validate.ts";
import { asThawError, ThawError } from "../common/errors.ts";

const MAX_BODY_BYTES = 1 << 20;
const NEWLINE = 10;

/** A route's answer to a call. It resolves when the answer is complete. */
export type Handler = (call: Call) => Promise<void>;
export type Handlers = Readonly<Record<RouteName, Handler>>;

/** @throws ThawError INVALID. */
function tooLarge(): ThawError {
  return new ThawError("INVALID", `the request's body: expected at most ${MAX_BODY_BYTES} bytes, got more`);
}

export class Call {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** The connection itself when the client asked for an upgrade. */
  readonly socket: Duplex | undefined;
  /** Aborts when the client is gone before the answer is complete. */
  readonly signal: AbortSignal;
  readonly #match: RouteMatch;
  readonly #url: URL;

  constructor(request: IncomingMessage, response: ServerResponse, match: RouteMatch, url: URL, socket?: Duplex) {
    this.request = request;
    this.response = response;
    this.socket = socket;
    this.#match = match;
    this.#url = url;
    const gone = new AbortController();
    this.signal = gone.signal;
    (socket ?? response).once("close", () => gone.abort());
  }

  /** A parameter of the route's path. */
  param(name: string): string {
    return this.#match.params[name] ?? "";
  }

  /** The query string as `schema` sees it. @throws ThawError INVALID, UNSUPPORTED. */
  query<S extends z.ZodType>(schema: S): z.output<S> {
    return parse(schema, Object.fromEntries(this.#url.searchParams), "the query string");
  }

  /** The JSON body as `schema` sees it; no body is an empty object. @throws ThawError INVALID, UNSUPPORTED. */
  async body<S extends z.ZodType>(schema: S): Promise<z.output<S>> {
    return parse(schema, parseJson(await this.#text()), "the request's body");
  }

  /**
   * What an upgraded connection brings: its first line as JSON that `schema` sees, whatever follows to `rest`, from now on.
   * @throws ThawError INVALID, UNSUPPORTED, CANCELLED when the client goes away before.
   */
  async firstLine<S extends z.ZodType>(
    socket: Duplex,
    schema: S,
    rest: (bytes: Uint8Array) => void,
  ): Promise<z.output<S>> {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    let line: Buffer | undefined = Buffer.alloc(0);
    socket.on("data", (bytes: Buffer) => {
      if (line === undefined) return rest(bytes);
      const end = bytes.indexOf(NEWLINE);
      line = Buffer.concat([line, end < 0 ? bytes : bytes.subarray(0, end)]);
      if (line.length > MAX_BODY_BYTES) return reject(tooLarge());
      if (end < 0) return;
      resolve(line.toString("utf8"));
      line = undefined;
      if (end + 1 < bytes.length) rest(bytes.subarray(end + 1));
    });
    this.signal.addEventListener("abort", () => reject(new ThawError("CANCELLED", "the client went away")));
    return parse(schema, parseJson(await promise), "the request's body");
  }

  json(value: unknown, status = 200): void {
    const text = this.request.method === "HEAD" ? "" : JSON.stringify(value);
    this.response.writeHead(status, { "content-type": "application/json" });
    this.response.end(text);
  }

  text(text: string, contentType: string): void {
    this.response.writeHead(200, { "content-type": contentType });
    this.response.end(this.request.method === "HEAD" ? "" : text);
  }

  /** 204, or 304 for "it was so already". */
  empty(status = 204): void {
    this.response.writeHead(status);
    this.response.end();
  }

  /**
   * Answers with JSON lines while `work` runs: its progress, then its result or its error. The status is 200 in
   * any case, because it is out before the end is known.
   */
  async progress<Result>(work: (line: (text: string) => void) => Promise<Result>): Promise<void> {
    this.response.writeHead(200, { "content-type": "application/x-ndjson" });
    this.response.flushHeaders();
    const write = (line: ProgressLine<Result>) => void this.response.write(`${JSON.stringify(line)}\n`);
    try {
      write({ result: await work((progress) => write({ progress })) });
    } catch (error) {
      write({ error: errorBody(asThawError(error)) });
    }
    this.response.end();
  }

  /** Writes and waits while the client reads slower than we write. Resolves at once when the client is gone. */
  async write(bytes: Uint8Array, to: Duplex | ServerResponse = this.response): Promise<void> {
    if (this.signal.aborted || to.write(bytes)) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        to.off("drain", done);
        to.off("close", done);
        resolve();
      };
      to.on("drain", done);
      to.on("close", done);
    });
  }

  async #text(): Promise<string> {
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of this.request) {
      const bytes = Buffer.from(chunk);
      size += bytes.length;
      if (size > MAX_BODY_BYTES) throw tooLarge();
      chunks.push(bytes);
    }
    return Buffer.concat(chunks).toString("utf8");
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text || "{}");
  } catch (cause) {
    throw new ThawError("INVALID", "the request's body: expected JSON", { cause });
  }
}
