/**
 * The daemon's side of the launcher protocol. One connection carries requests, each answered by tag, and events in
 * the order in which they happened. When it breaks, everything pending fails at once and the client connects again:
 * the launcher's keeper holds the socket, so that this usually succeeds at the first try. Requests made meanwhile wait
 * for the new connection, bounded. What changed in between is for `onReconnect` to find out (`reconcile`).
 */

import { UnixSocket } from "../common/unix-socket.ts";
import { type AttachStreams, LauncherStream } from "./attach.ts";
import { ending, refusal, unreachable } from "./failures.ts";
import { FrameCutter } from "./frames.ts";
import {
  type ContainerMessage,
  decodeFrame,
  encodeFrame,
  type LauncherEvent,
  type ListenerMessage,
  type Message,
  PROTOCOL_VERSION,
  type Request,
} from "./generated/protocol.ts";
import { Listeners } from "./listeners.ts";
import { tellToEnd } from "./shutdown.ts";

/** All that the launcher has. */
export interface LauncherListing {
  readonly containers: readonly ContainerMessage[];
  readonly listeners: readonly ListenerMessage[];
}

export interface LauncherClientOptions {
  /** Starts the launcher again when nobody listens on its socket any more. */
  readonly revive?: () => Promise<void>;
  /** Milliseconds that a request waits for a lost connection to come back; 5000 when not given. */
  readonly patienceMs?: number;
}

interface Pending {
  readonly request: Request;
  readonly listing: { containers: ContainerMessage[]; listeners: ListenerMessage[] };
  readonly resolve: (answer: { value: bigint; listing: LauncherListing }) => void;
  readonly reject: (error: Error) => void;
}

const FIRST_RETRY_MS = 2;
const LAST_RETRY_MS = 500;
const DEFAULT_PATIENCE_MS = 5000;

/** A connection to the launcher that comes back by itself. */
export class LauncherClient {
  readonly socketPath: string;
  readonly #options: LauncherClientOptions;
  readonly #events = new Listeners<LauncherEvent>();
  readonly #accepted = new Listeners<Request>();
  readonly #reconnects = new Listeners<void>();
  readonly #pending = new Map<bigint, Pending>();
  #socket: UnixSocket | undefined;
  #cutter = new FrameCutter();
  #connected: PromiseWithResolvers<void> = Promise.withResolvers();
  #nextTag = 1n;
  /** The version was agreed on and the connection stands. */
  #ready = false;
  #closed = false;
  /** It shall end, or has: nothing is asked of it and nobody starts it again. */
  #ending = false;
  #reconnecting: Promise<void> | undefined;

  private constructor(socketPath: string, options: LauncherClientOptions) {
    this.socketPath = socketPath;
    this.#options = options;
  }

  /**
   * Connects and agrees on the protocol's version.
   * @throws ThawError LAUNCHER_FAILED when nobody listens or the version differs.
   */
  static async connect(socketPath: string, options: LauncherClientOptions = {}): Promise<LauncherClient> {
    const client = new LauncherClient(socketPath, options);
    try {
      await client.#open();
    } catch (error) {
      client.close();
      throw error;
    }
    return client;
  }

  get connected(): boolean {
    return this.#ready;
  }

  /**
   * Sends a request. Resolves with the value of its `ok`.
   * @throws ThawError LAUNCHER_FAILED, PORT_IN_USE (listen), NO_SPACE.
   */
  async request(request: Request): Promise<bigint> {
    await this.#untilConnected(request);
    return (await this.#send(request)).value;
  }

  /** The launcher's containers and listeners. @throws ThawError LAUNCHER_FAILED. */
  async list(): Promise<LauncherListing> {
    await this.#untilConnected({ kind: "list" });
    return (await this.#send({ kind: "list" })).listing;
  }

  /** Calls `listener` with each event, in order. Returns the way to stop it. */
  onEvent(listener: (event: LauncherEvent) => void): () => void {
    return this.#events.add(listener);
  }

  /** Calls `listener` with each request that the launcher took, before the events it causes. Returns the way to stop it. */
  onAccepted(listener: (request: Request) => void): () => void {
    return this.#accepted.add(listener);
  }

  /** Calls `listener` after the connection was lost and made again. Returns the way to stop it. */
  onReconnect(listener: () => void): () => void {
    return this.#reconnects.add(listener);
  }

  /**
   * A stream of its own to a container's standard streams; a container that is not there yet is waited for.
   * @throws ThawError LAUNCHER_FAILED.
   */
  async attach(id: string, streams: AttachStreams): Promise<LauncherStream> {
    return LauncherStream.open(this.socketPath, id, streams);
  }

  /**
   * Ends the launcher, and this connection for good. From the call on nothing else is asked of it, and it is not started
   * again, whatever becomes of it. Resolves when it has begun to end, or is gone.
   * @throws ThawError LAUNCHER_FAILED when it refuses; then everything is as before.
   */
  async shutDown(force: boolean): Promise<void> {
    this.#ending = true;
    await this.#reconnecting;
    const tell = () => this.#send({ kind: "shutdown", force: force ? 1 : 0 });
    try {
      await tellToEnd(this.socketPath, { isOpen: () => this.#ready, open: () => this.#open(), tell });
    } catch (error) {
      this.#ending = false;
      if (!this.#ready) this.#reconnectSoon();
      throw error;
    }
    this.close();
  }

  /** Ends the connection for good; pending requests fail. */
  close(): void {
    this.#closed = true;
    this.#socket?.close();
    this.#failPending(unreachable("the connection was closed"));
    this.#connected.promise.catch(() => {});
    this.#connected.reject(unreachable("the connection was closed"));
  }

  async #open(): Promise<void> {
    this.#cutter = new FrameCutter();
    const socket = await UnixSocket.connect(this.socketPath, {
      onData: (chunk) => this.#receive(chunk),
      onClose: () => this.#lost(),
    }).catch((error: unknown) => {
      throw unreachable(`nobody listens on ${this.socketPath}`, error);
    });
    this.#socket = socket;
    try {
      await this.#send({ kind: "hello", version: PROTOCOL_VERSION });
    } catch (error) {
      socket.close();
      throw error;
    }
    this.#ready = true;
    this.#connected.resolve();
  }

  #send(request: Request): Promise<{ value: bigint; listing: LauncherListing }> {
    const socket = this.#socket;
    if (!socket || socket.closed) return Promise.reject(unreachable(request.kind));
    const tag = this.#nextTag++;
    return new Promise((resolve, reject) => {
      this.#pending.set(tag, { request, listing: { containers: [], listeners: [] }, resolve, reject });
      void socket.write(encodeFrame(tag, request));
    });
  }

  async #untilConnected(request: Request): Promise<void> {
    if (this.#ending) throw ending();
    if (this.connected) return;
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => reject(unreachable(request.kind)), this.#options.patienceMs ?? DEFAULT_PATIENCE_MS);
    try {
      await Promise.race([this.#connected.promise, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  #receive(chunk: Uint8Array): void {
    try {
      this.#cutter.push(chunk);
      for (let body = this.#cutter.next(); body; body = this.#cutter.next()) {
        const { tag, message } = decodeFrame(body);
        this.#dispatch(tag, message);
      }
    } catch (error) {
      // A malformed frame leaves no way to find the next one: this connection is over.
      console.error("thaw: the launcher sent a malformed frame:", error);
      this.#socket?.close();
    }
  }

  #dispatch(tag: bigint, message: Message): void {
    const pending = this.#pending.get(tag);
    switch (message.kind) {
      case "container":
        pending?.listing.containers.push(message);
        return;
      case "listener":
        pending?.listing.listeners.push(message);
        return;
      case "ok":
        this.#pending.delete(tag);
        if (pending !== undefined) this.#accepted.emit(pending.request);
        pending?.resolve({ value: message.value, listing: pending.listing });
        return;
      case "error":
        this.#pending.delete(tag);
        pending?.reject(refusal(pending.request, message));
        return;
      case "started":
      case "failed":
      case "exited":
      case "listener_changed":
      case "woke":
      case "parked":
      case "taken":
      case "held":
        this.#events.emit(message);
    }
  }

  #failPending(error: Error): void {
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    for (const { reject } of pending) reject(error);
  }

  #lost(): void {
    const wasReady = this.#ready;
    this.#ready = false;
    this.#failPending(unreachable("its connection broke"));
    if (this.#closed || this.#ending || !wasReady) return;
    this.#connected = Promise.withResolvers();
    this.#connected.promise.catch(() => {});
    this.#reconnectSoon();
  }

  #reconnectSoon(): void {
    this.#reconnecting = this.#reconnect();
  }

  async #reconnect(): Promise<void> {
    for (let delay = FIRST_RETRY_MS; !this.#closed && !this.#ending; delay = Math.min(delay * 2, LAST_RETRY_MS)) {
      try {
        await this.#open();
        this.#reconnects.emit();
        return;
      } catch {
        if (delay >= LAST_RETRY_MS / 4 && !this.#ending) await this.#options.revive?.().catch(() => {});
        await Bun.sleep(delay);
      }
    }
  }
}
