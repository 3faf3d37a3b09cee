/** Attaching to a container's streams. The launcher frames the output as the Docker API's clients want it. */
import type { AttachStreams, LauncherClient, LauncherStream } from "../launcher/index.ts";
import type { Attachment } from "./types.ts";

/** The attachments that are open, so that those of a start that failed can be ended. */
export class Attachments {
  readonly #launcher: LauncherClient;
  readonly #open = new Map<string, Set<LauncherStream>>();

  constructor(launcher: LauncherClient) {
    this.#launcher = launcher;
  }

  /** Attaches to a container that runs or is about to. @throws ThawError LAUNCHER_FAILED. */
  async attach(id: string, streams: AttachStreams): Promise<Attachment> {
    const stream = await this.#launcher.attach(id, streams);
    const open = this.#open.get(id) ?? new Set();
    this.#open.set(id, open.add(stream));
    return {
      output: this.#output(id, stream),
      write: (bytes) => stream.write(bytes),
      closeInput: () => stream.closeInput(),
      close: () => {
        this.#drop(id, stream);
        stream.close();
      },
    };
  }

  /** Ends the attachments of a container that did not come to run. */
  end(id: string): void {
    for (const stream of this.#open.get(id) ?? []) stream.close();
    this.#open.delete(id);
  }

  async *#output(id: string, stream: LauncherStream): AsyncGenerator<Uint8Array> {
    try {
      yield* stream.output();
    } finally {
      this.#drop(id, stream);
    }
  }

  #drop(id: string, stream: LauncherStream): void {
    const open = this.#open.get(id);
    open?.delete(stream);
    if (open?.size === 0) this.#open.delete(id);
  }
}
