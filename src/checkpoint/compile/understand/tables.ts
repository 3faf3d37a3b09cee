/** The open files of the images by their ids. */
import type { Images } from "../../images/index.ts";
import type { FileEntry, RegularEntry } from "../../images/messages/files.ts";
import type { Reasons } from "./context.ts";

/** What an id in files.img stands for. */
export class FileTable {
  readonly #files = new Map<number, FileEntry>();
  readonly #used = new Set<number>();
  readonly #remapped: ReadonlySet<number>;
  readonly #reasons: Reasons;

  constructor(images: Images, reasons: Reasons) {
    this.#remapped = images.remapped;
    this.#reasons = reasons;
    for (const file of images.files) {
      if (this.#files.has(file.id)) reasons.refuse(`files.img: expected one file with the id ${file.id}, got two`);
      this.#files.set(file.id, file);
    }
  }

  /** The file with that id; `where` ("fd 7") names who wants it when there is none. */
  get(id: number, where: string): FileEntry | undefined {
    const file = this.#files.get(id);
    this.#used.add(id);
    if (file === undefined) this.#reasons.refuse(`${where}: no file with the id ${id} in files.img`);
    return file;
  }

  /** To be called last: a file that nobody has means that something else is missing. */
  checkAllUsed(): void {
    for (const id of this.#files.keys()) {
      if (!this.#used.has(id)) this.#reasons.refuse(`files.img: nobody has the file with the id ${id}`);
    }
  }

  /** A file with a path that is still there. */
  regular(id: number, where: string): RegularEntry | undefined {
    const file = this.get(id, where);
    if (file === undefined) return undefined;
    const { regular } = file;
    if (file.type !== REGULAR || regular === undefined) {
      this.#reasons.refuse(`${where}: expected a file with a path, got type ${file.type}`);
      return undefined;
    }
    if (regular.id !== id) this.#reasons.refuse(`${where}: expected the id ${id} in the file, got ${regular.id}`);
    this.checkPath(regular, where);
    return regular;
  }

  /** Refuses files that open(2) would not find again. */
  checkPath({ id, name, external }: RegularEntry, where: string): void {
    if (this.#remapped.has(id)) this.#reasons.refuse(`${where}: ${name} was deleted`);
    if (external) this.#reasons.refuse(`${where}: ${name} is external to the dump`);
    if (!name.startsWith("/") || name.includes("\0") || Buffer.byteLength(name) >= PATH_MAX) {
      this.#reasons.refuse(`${where}: expected an absolute path, got ${JSON.stringify(name.slice(0, 80))}`);
    }
  }
}

/** CRIU's fd_types. */
const REGULAR = 1;
const PATH_MAX = 4096;
/** S_IFMT and its values. */
export const FORMAT = { mask: 0o170000, regular: 0o100000, directory: 0o040000, character: 0o020000 } as const;

/** The kind of file that a mode says; 0 when CRIU wrote none. */
export function formatOf({ mode }: RegularEntry): number {
  return (mode ?? 0) & FORMAT.mask;
}
