/**
 * The tar header codec. thaw has its own because layers need what general libraries lose: binary values in PAX
 * records (a file capability is one), mode 0, large ids, names that are not UTF-8. Names are therefore "byte
 * strings" here: one character a byte (latin1), never decoded. An entry is written as ustar, with PAX records
 * only for what ustar cannot hold, so that equal entries are equal bytes.
 */
import { ThawError } from "../../common/errors.ts";

export const BLOCK = 512;

/** What an entry is. Sparse, multi-volume and other exotic types are refused when read. */
export type TarType = "file" | "hardlink" | "symlink" | "char" | "block" | "directory" | "fifo";

/** One entry. `name` and `linkname` are byte strings; `mtime` is in seconds, `size` in bytes. */
export interface TarHeader {
  readonly name: string;
  readonly type: TarType;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  /** Decimal seconds as PAX writes them ("1700000000.25"): a float would lose nanoseconds. */
  readonly mtime: string;
  readonly linkname: string;
  readonly major: number;
  readonly minor: number;
  /** Extended attributes by name, values as byte strings. */
  readonly xattrs: ReadonlyMap<string, string>;
}

/** A header block before PAX and GNU extensions are applied to it. */
export interface RawHeader extends Omit<TarHeader, "type" | "xattrs"> {
  readonly flag: string;
}

const TYPES: Readonly<Record<string, TarType>> = {
  "\0": "file",
  "0": "file",
  "1": "hardlink",
  "2": "symlink",
  "3": "char",
  "4": "block",
  "5": "directory",
  "6": "fifo",
  "7": "file",
};
const FLAGS: Readonly<Record<TarType, string>> = {
  file: "0",
  hardlink: "1",
  symlink: "2",
  char: "3",
  block: "4",
  directory: "5",
  fifo: "6",
};

/** Bytes as a byte string. */
export function byteString(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}

/** The entry type of a header's type flag, or undefined for one that layers do not have. */
export function tarType(flag: string): TarType | undefined {
  return TYPES[flag];
}

/**
 * Decodes one header block; undefined for a block of zeros (the end of the archive).
 * @throws ThawError BAD_ARCHIVE when its checksum or a number in it is wrong.
 */
export function decodeHeader(block: Uint8Array): RawHeader | undefined {
  if (block.every((byte) => byte === 0)) return undefined;
  if (readNumber(block, 148, 8) !== checksum(block)) {
    throw new ThawError("BAD_ARCHIVE", "not a tar archive, or a damaged one: a header's checksum is wrong");
  }
  const ustar = readString(block, 257, 6) === "ustar";
  const prefix = ustar ? readString(block, 345, 155) : "";
  const name = readString(block, 0, 100);
  return {
    name: prefix === "" ? name : `${prefix}/${name}`,
    mode: readNumber(block, 100, 8) & 0o7777,
    uid: readNumber(block, 108, 8),
    gid: readNumber(block, 116, 8),
    size: readNumber(block, 124, 12),
    mtime: String(readNumber(block, 136, 12)),
    flag: String.fromCharCode(block[156] ?? 0),
    linkname: readString(block, 157, 100),
    major: readNumber(block, 329, 8),
    minor: readNumber(block, 337, 8),
  };
}

/** Encodes an entry: its PAX block if it needs one, then its header. The body and its padding are the caller's. */
export function encodeHeader(header: TarHeader): Uint8Array {
  const records = paxRecords(header);
  if (records.length === 0) return ustarBlock(header, FLAGS[header.type]);
  const body = Buffer.from(records.join(""), "latin1");
  const plain = { name: "PaxHeader", linkname: "", mode: 0o644, uid: 0, gid: 0, mtime: "0", major: 0, minor: 0 };
  return Buffer.concat([
    ustarBlock({ ...plain, size: body.byteLength }, "x"),
    body,
    new Uint8Array(padding(body.byteLength)),
    ustarBlock(header, FLAGS[header.type]),
  ]);
}

/** How many zero bytes follow `size` bytes of body. */
export function padding(size: number): number {
  return (BLOCK - (size % BLOCK)) % BLOCK;
}

function paxRecords(header: TarHeader): string[] {
  const records: string[] = [];
  if (header.name.length > 100 || !isAscii(header.name)) records.push(paxRecord("path", header.name));
  if (header.linkname.length > 100 || !isAscii(header.linkname)) records.push(paxRecord("linkpath", header.linkname));
  if (header.size > 0o77777777777) records.push(paxRecord("size", String(header.size)));
  if (header.uid > 0o7777777) records.push(paxRecord("uid", String(header.uid)));
  if (header.gid > 0o7777777) records.push(paxRecord("gid", String(header.gid)));
  if (!/^\d{1,10}$/.test(header.mtime)) records.push(paxRecord("mtime", header.mtime));
  for (const [key, value] of [...header.xattrs].sort(([a], [b]) => (a < b ? -1 : 1))) {
    records.push(paxRecord(`SCHILY.xattr.${key}`, value));
  }
  return records;
}

/** One PAX record, "LENGTH KEY=VALUE\n"; the length counts its own digits. */
export function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return `${length}${rest}`;
}

function ustarBlock(header: Omit<TarHeader, "type" | "xattrs">, flag: string): Uint8Array {
  const block = Buffer.alloc(BLOCK);
  block.write(header.name.slice(0, 100), 0, "latin1");
  writeOctal(block, 100, 8, header.mode & 0o7777);
  writeOctal(block, 108, 8, Math.min(header.uid, 0o7777777));
  writeOctal(block, 116, 8, Math.min(header.gid, 0o7777777));
  writeOctal(block, 124, 12, Math.min(header.size, 0o77777777777));
  writeOctal(block, 136, 12, Math.min(Math.max(Math.floor(Number(header.mtime)), 0), 0o77777777777));
  block.write(flag, 156, "latin1");
  block.write(header.linkname.slice(0, 100), 157, "latin1");
  block.write("ustar\u000000", 257, "latin1");
  writeOctal(block, 329, 8, header.major);
  writeOctal(block, 337, 8, header.minor);
  block.write(`${checksum(block).toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}

function writeOctal(block: Buffer, offset: number, length: number, value: number): void {
  block.write(value.toString(8).padStart(length - 1, "0"), offset, "latin1");
}

function readString(block: Uint8Array, offset: number, length: number): string {
  const field = block.subarray(offset, offset + length);
  const end = field.indexOf(0);
  return byteString(end < 0 ? field : field.subarray(0, end));
}

function readNumber(block: Uint8Array, offset: number, length: number): number {
  const first = block[offset] ?? 0;
  const value = first >= 0x80 ? readBinary(block, offset, length) : readOctal(block, offset, length);
  if (Number.isSafeInteger(value)) return value;
  throw new ThawError("BAD_ARCHIVE", `a tar header has a bad number at offset ${offset}`);
}

function readOctal(block: Uint8Array, offset: number, length: number): number {
  const text = readString(block, offset, length).trim();
  if (text === "") return 0;
  return /^[0-7]+$/.test(text) ? Number.parseInt(text, 8) : Number.NaN;
}

/** GNU's base-256 numbers: the first byte is 0x80 for positive and 0xff for negative ones. */
function readBinary(block: Uint8Array, offset: number, length: number): number {
  const first = block[offset] ?? 0;
  let value = first === 0xff ? -1 : first & 0x7f;
  for (const byte of block.subarray(offset + 1, offset + length)) value = value * 256 + byte;
  return value;
}

function checksum(block: Uint8Array): number {
  let sum = 8 * 32;
  for (let i = 0; i < BLOCK; i++) if (i < 148 || i >= 156) sum += block[i] ?? 0;
  return sum;
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) >= 0x80) return false;
  return true;
}
