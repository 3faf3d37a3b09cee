/** Output that comes in chunks, handed on line by line. */

/** Splits UTF-8 bytes into lines; the last one, unfinished, comes with `end`. */
export class LineSplitter {
  readonly #onLine: (line: string) => void;
  readonly #decoder = new TextDecoder();
  #pending = "";

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine;
  }

  write(chunk: Uint8Array): void {
    const lines = (this.#pending + this.#decoder.decode(chunk, { stream: true })).split(/\r?\n/);
    this.#pending = lines.pop() ?? "";
    for (const line of lines) this.#onLine(line);
  }

  end(): void {
    if (this.#pending !== "") this.#onLine(this.#pending);
    this.#pending = "";
  }
}
