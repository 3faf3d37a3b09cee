/**
 * A streaming tar reader for hostile archives: bounded headers, PAX and GNU long names applied, everything that
 * is not understood (sparse files, multi-volume) refused instead of guessed at. Entries come one by one; the body
 * of one is read, or skipped, before the next.
 */
import { ThawError } from "../../common/errors.ts";
import { BLOCK, byteString, decodeHeader, padding, type RawHeader, type TarHeader, tarType } from "./header.ts";

/** An entry and its content, which can be read once, before the next entry is asked for. */
export interface TarEntry {
  readonly header: TarHeader;
  body(): AsyncIterable<Uint8Array>;
}

/** Long names and PAX blocks beyond this are an attack, not a name. */
const MAX_EXTENSION = 1024 * 1024;

/**
 * Reads a tar archive. A reader that stops early ends the source too, so that whatever feeds it is let go.
 * @throws ThawError BAD_ARCHIVE when it is damaged, truncated or has unknown parts.
 */
export async function* readTar(source: AsyncIterable<Uint8Array>): AsyncGenerator<TarEntry> {
  const bytes = new ByteReader(source);
  try {
    yield* readEntries(bytes);
  } finally {
    await bytes.close();
  }
}

async function* readEntries(bytes: ByteReader): AsyncGenerator<TarEntry> {
  const globals = new Map<string, string>();
  let extensions = new Map<string, string>();
  for (;;) {
    const block = await bytes.read(BLOCK);
    if (block === undefined) return;
    const raw = decodeHeader(block);
    // Concatenated archives have end marks in the middle; what follows is read like GNU tar -i does.
    if (raw === undefined) continue;
    if (await readExtension(raw, bytes, globals, extensions)) continue;
    const header = applyExtensions(raw, new Map([...globals, ...extensions]));
    extensions = new Map();
    const body = new Body(bytes, header.size);
    yield { header, body: () => body.chunks() };
    await body.skip();
  }
}

/** An entry's content and the padding behind it. */
class Body {
  readonly #bytes: ByteReader;
  #content: number;
  #padding: number;

  constructor(bytes: ByteReader, size: number) {
    this.#bytes = bytes;
    this.#content = size;
    this.#padding = padding(size);
  }

  async *chunks(): AsyncGenerator<Uint8Array> {
    while (this.#content > 0) {
      const chunk = await this.#bytes.readUpTo(this.#content);
      this.#content -= chunk.byteLength;
      yield chunk;
    }
  }

  /** Reads past what is left of the entry. */
  async skip(): Promise<void> {
    for await (const _ of this.chunks());
    while (this.#padding > 0) this.#padding -= (await this.#bytes.readUpTo(this.#padding)).byteLength;
  }
}

/** Takes PAX and GNU long-name headers into the maps; false when the header is an entry's own. */
async function readExtension(
  raw: RawHeader,
  bytes: ByteReader,
  globals: Map<string, string>,
  extensions: Map<string, string>,
): Promise<boolean> {
  if (!"xgLK".includes(raw.flag)) return false;
  if (raw.size > MAX_EXTENSION) throw new ThawError("BAD_ARCHIVE", `a tar header of ${raw.size} bytes is too large`);
  const padded = (await bytes.read(raw.size + padding(raw.size))) ?? new Uint8Array();
  const text = byteString(padded.subarray(0, raw.size));
  if (raw.flag === "L") extensions.set("path", text.replace(/\0.*$/s, ""));
  else if (raw.flag === "K") extensions.set("linkpath", text.replace(/\0.*$/s, ""));
  else parsePax(text, raw.flag === "g" ? globals : extensions);
  return true;
}

/** Adds the records of a PAX block to `into`. */
function parsePax(text: string, into: Map<string, string>): void {
  let at = 0;
  while (at < text.length) {
    const [, digits] = /^(\d{1,7}) /.exec(text.slice(at, at + 9)) ?? [];
    const length = Number(digits);
    const record = text.slice(at, at + length);
    const equals = record.indexOf("=");
    if (digits === undefined || equals < 0 || !record.endsWith("\n") || record.length !== length) {
      throw new ThawError("BAD_ARCHIVE", "a tar archive has a malformed PAX record");
    }
    into.set(record.slice(digits.length + 1, equals), record.slice(equals + 1, -1));
    at += length;
  }
}

function applyExtensions(raw: RawHeader, pax: ReadonlyMap<string, string>): TarHeader {
  const name = pax.get("path") ?? raw.name;
  const type = raw.flag === "\0" && name.endsWith("/") ? "directory" : tarType(raw.flag);
  const sparse = [...pax.keys()].some((key) => key.startsWith("GNU.sparse."));
  if (type === undefined || sparse) {
    const kind = sparse ? "a sparse file" : `of the unknown type ${JSON.stringify(raw.flag)}`;
    throw new ThawError("BAD_ARCHIVE", `entry ${printable(name)} is ${kind}`, {
      hint: "Make the archive again without sparse files (tar without --sparse).",
    });
  }
  const mtime = pax.get("mtime") ?? raw.mtime;
  const size = paxNumber(pax, "size") ?? raw.size;
  if (size < 0 || !/^-?\d{1,12}(\.\d{1,20})?$/.test(mtime)) {
    throw new ThawError("BAD_ARCHIVE", `entry ${printable(name)} has a bad size or time`);
  }
  return {
    name,
    type,
    mtime,
    // Only files have content; a size on a link is the linked file's and no bytes follow it.
    size: type === "file" ? size : 0,
    mode: raw.mode,
    uid: paxNumber(pax, "uid") ?? raw.uid,
    gid: paxNumber(pax, "gid") ?? raw.gid,
    linkname: pax.get("linkpath") ?? raw.linkname,
    major: raw.major,
    minor: raw.minor,
    xattrs: xattrsOf(pax),
  };
}

function xattrsOf(pax: ReadonlyMap<string, string>): Map<string, string> {
  const prefix = "SCHILY.xattr.";
  const entries = [...pax].filter(([key]) => key.startsWith(prefix));
  return new Map(entries.map(([key, value]) => [key.slice(prefix.length), value]));
}

function paxNumber(pax: ReadonlyMap<string, string>, key: string): number | undefined {
  const text = pax.get(key);
  if (text === undefined) return undefined;
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new ThawError("BAD_ARCHIVE", `a PAX record says ${key}=${printable(text)}; a number was expected`);
}

/** A foreign byte string for an error message: quoted, cut, control characters escaped. */
export function printable(name: string): string {
  return JSON.stringify(Buffer.from(name.slice(0, 200), "latin1").toString("utf8"));
}

/** Exact reads over a stream of chunks of any size. */
class ByteReader {
  readonly #source: AsyncIterator<Uint8Array>;
  #chunk: Uint8Array = new Uint8Array();

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** Ends the source. */
  async close(): Promise<void> {
    await this.#source.return?.();
  }

  /** Exactly `length` bytes, or undefined when the stream ends right here. */
  async read(length: number): Promise<Uint8Array | undefined> {
    if (length === 0) return new Uint8Array();
    if (!(await this.#fill())) return undefined;
    if (this.#chunk.byteLength >= length) return this.#take(length);
    const parts: Uint8Array[] = [];
    for (let missing = length; missing > 0; ) {
      const part = await this.readUpTo(missing);
      parts.push(part);
      missing -= part.byteLength;
    }
    return Buffer.concat(parts);
  }

  /** At least one and at most `length` bytes. @throws ThawError BAD_ARCHIVE at the stream's end. */
  async readUpTo(length: number): Promise<Uint8Array> {
    if (!(await this.#fill())) throw new ThawError("BAD_ARCHIVE", "the tar archive ends in the middle of an entry");
    return this.#take(Math.min(length, this.#chunk.byteLength));
  }

  async #fill(): Promise<boolean> {
    while (this.#chunk.byteLength === 0) {
      const next = await this.#source.next();
      if (next.done === true) return false;
      this.#chunk = next.value;
    }
    return true;
  }

  #take(length: number): Uint8Array {
    const taken = this.#chunk.subarray(0, length);
    this.#chunk = this.#chunk.subarray(length);
    return taken;
  }
}
