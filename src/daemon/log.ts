/**
 * The daemon's log: one line an event in `<run>/daemon.log`, bounded. When the file is full it becomes
 * `daemon.log.1` and a new one begins, so there are never more than two.
 */
import { appendFileSync, renameSync, statSync } from "node:fs";
import { ThawError } from "../common/errors.ts";

const MAX_BYTES = 1 << 20;

export interface LogOptions {
  readonly maxBytes?: number;
  /** Lines go to stderr too. */
  readonly echo?: boolean;
}

export class Log {
  readonly #path: string;
  readonly #maxBytes: number;
  readonly #echo: boolean;
  #size: number;

  /** @param path  the file, or "" to drop everything. */
  constructor(path: string, { maxBytes = MAX_BYTES, echo = false }: LogOptions = {}) {
    this.#path = path;
    this.#maxBytes = maxBytes;
    this.#echo = echo;
    this.#size = path === "" ? 0 : (statSync(path, { throwIfNoEntry: false })?.size ?? 0);
  }

  info(message: string): void {
    this.#write("info", message);
  }

  /** `what` went wrong because of `error`, whose stack and causes are kept. */
  error(what: string, error: unknown): void {
    this.#write("error", `${what}: ${describe(error)}`);
  }

  #write(level: string, message: string): void {
    const line = `${new Date().toISOString()} ${level} ${message.replaceAll("\n", "\n  ")}\n`;
    if (this.#echo) console.error(line.trimEnd());
    if (this.#path === "") return;
    try {
      if (this.#size + line.length > this.#maxBytes) {
        renameSync(this.#path, `${this.#path}.1`);
        this.#size = 0;
      }
      appendFileSync(this.#path, line, { mode: 0o600 });
      this.#size += Buffer.byteLength(line);
    } catch {
      // A full disk must not end the daemon; there is nobody to tell.
    }
  }
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const head =
    error instanceof ThawError ? `[${error.code}] ${error.stack ?? error.message}` : (error.stack ?? error.message);
  return error.cause === undefined ? head : `${head}\ncaused by ${describe(error.cause)}`;
}
