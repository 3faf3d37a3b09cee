/**
 * The container's output on this program's own stdout and stderr, bytes as they are. When whoever reads them has gone
 * (`thaw logs | head`) the command ends as a program ends that SIGPIPE kills.
 */
import type { OutputStream } from "../api/stdcopy.ts";
import { errnoOf } from "../common/errors.ts";

/** Exit code of a program that SIGPIPE killed. Bun ignores that signal. */
const BROKEN_PIPE = 141;

export class Output {
  readonly #writers = { stdout: Bun.stdout.writer(), stderr: Bun.stderr.writer() };

  readonly #pending: [OutputStream, Uint8Array][] = [];
  readonly #onBroken: () => Promise<void>;

  /** @param onBroken  done before the command ends because nobody reads its output. */
  constructor(onBroken: () => Promise<void> = () => Promise.resolve()) {
    this.#onBroken = onBroken;
  }

  /** Takes bytes; `flush` writes them. */
  write(stream: OutputStream, bytes: Uint8Array): void {
    this.#pending.push([stream, bytes]);
  }

  /** Resolves when everything taken is written; that is where a slow reader is waited for. */
  async flush(): Promise<void> {
    try {
      for (let next = this.#pending.shift(); next !== undefined; next = this.#pending.shift()) {
        const [stream, bytes] = next;
        await this.#writers[stream].write(bytes);
        await this.#writers[stream].flush();
      }
    } catch (error) {
      if (errnoOf(error) !== "EPIPE") throw error;
      await this.#onBroken();
      process.exit(BROKEN_PIPE);
    }
  }
}
