/**
 * The HTTP API over the daemon's unix socket: finds the route of a request, calls its handler, and turns whatever
 * is thrown into an answer with a stable code. Nothing here knows what the routes do.
 */
import { chmodSync, chownSync, readFileSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { errorBody } from "../api/errors.ts";
import { type RouteMatch, routeMatcher } from "../api/routes.ts";
import { API_VERSION } from "../api/system.ts";
import { asThawError, ThawError } from "../common/errors.ts";
import { show } from "../common/show.ts";
import { Call, type Handlers } from "./call.ts";
import type { Log } from "./log.ts";

/** Group whose members may use the socket, when the machine has it. */
const SOCKET_GROUP = "thaw";

export class ApiServer {
  readonly #handlers: Handlers;
  readonly #log: Log;
  readonly #match = routeMatcher();
  readonly #server: Server;
  readonly #sockets = new Set<Duplex>();

  constructor(handlers: Handlers, log: Log) {
    this.#handlers = handlers;
    this.#log = log;
    this.#server = createServer((request, response) => void this.#answer(request, response));
    this.#server.on("upgrade", (request, socket, head) => void this.#upgrade(request, socket, head));
    this.#server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
    });
    // Attach, logs and wait last as long as a container does.
    this.#server.timeout = 0;
    this.#server.requestTimeout = 0;
  }

  /**
   * Listens on a unix socket, mode 0660, of group thaw where there is one. What is at `path` is replaced: the
   * caller holds the run directory's lock, so nobody answers there.
   */
  async listen(path: string): Promise<void> {
    rmSync(path, { force: true });
    const before = process.umask(0o117);
    try {
      await new Promise<void>((resolve, reject) => {
        this.#server.once("error", reject);
        this.#server.listen(path, resolve);
      });
    } finally {
      process.umask(before);
    }
    chmodSync(path, 0o660);
    const gid = groupId(SOCKET_GROUP);
    if (gid !== undefined) chownSync(path, 0, gid);
  }

  /** Stops listening and cuts the connections that are left. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    for (const socket of this.#sockets) socket.destroy();
    await Promise.race([closed, Bun.sleep(200)]);
  }

  async #answer(request: IncomingMessage, response: ServerResponse, socket?: Duplex): Promise<void> {
    try {
      response.setHeader("Server", "thaw");
      response.setHeader("Api-Version", API_VERSION);
      const url = addressOf(request.url ?? "/");
      const match = this.#find(request.method ?? "", url.pathname);
      await this.#handlers[match.name](new Call(request, response, match, url, socket));
    } catch (thrown) {
      this.#fail(request, response, thrown, socket);
    }
  }

  async #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    socket.on("error", () => socket.destroy());
    // A client need not wait for our consent before it sends more.
    if (head.length > 0) socket.unshift(head);
    // The client's end of input must not end the output.
    socket.allowHalfOpen = true;
    await this.#answer(request, new ServerResponse(request), socket);
  }

  #find(method: string, path: string): RouteMatch {
    const match = this.#match(method, path);
    if (match !== undefined) return match;
    throw new ThawError("ROUTE_NOT_FOUND", `no route ${method} ${path.slice(0, 200)}`, {
      hint: "thaw has the container and image routes of the Docker Engine API that docs/cli.md lists, and /thaw/v1.",
    });
  }

  #fail(request: IncomingMessage, response: ServerResponse, thrown: unknown, socket: Duplex | undefined): void {
    const error = asThawError(thrown);
    if (error.status >= 500) this.#log.error(`${request.method} ${request.url}`, thrown);
    const body = JSON.stringify(errorBody(error));
    if (socket !== undefined) {
      socket.end(rawAnswer(error.status, body));
    } else if (response.headersSent) {
      response.destroy();
    } else {
      response.writeHead(error.status, { "content-type": "application/json" });
      response.end(request.method === "HEAD" ? "" : body);
    }
  }
}

/** The path and query of a request. Two slashes at its beginning are a path, too, not somebody's host. @throws ThawError INVALID. */
function addressOf(target: string): URL {
  const url = URL.parse(target.startsWith("/") ? `http://thaw${target}` : target, "http://thaw");
  if (url !== null) return url;
  throw new ThawError("INVALID", `the request's address: expected a path, got ${show(target)}`, {
    hint: "Escape what is no letter or digit with %.",
  });
}

function rawAnswer(status: number, body: string): string {
  const length = Buffer.byteLength(body);
  return `HTTP/1.1 ${status} Error\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\nConnection: close\r\n\r\n${body}`;
}

function groupId(name: string): number | undefined {
  try {
    const line = readFileSync("/etc/group", "utf8")
      .split("\n")
      .find((entry) => entry.startsWith(`${name}:`));
    return line === undefined ? undefined : Number(line.split(":")[2]);
  } catch {
    return undefined;
  }
}
