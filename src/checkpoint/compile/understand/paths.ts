/** Files that are opened by their path: regular ones, directories, harmless devices. */
import type { RegularEntry } from "../../images/messages/files.ts";
import type { OpenFile } from "../process.ts";
import type { Reasons } from "./context.ts";
import { reopenFlags } from "./open-files.ts";
import { type FileTable, FORMAT, formatOf } from "./tables.ts";

/** Devices without a state of their own, as every container has them. */
const DEVICES = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"];
const MAX_OFFSET = (1n << 63n) - 1n;

/** What open(2) gives again. */
export function pathFile(entry: RegularEntry, where: string, table: FileTable, reasons: Reasons): OpenFile | undefined {
  table.checkPath(entry, where);
  const { name: path, position: offset } = entry;
  const flags = reopenFlags(entry.flags);
  if (offset > MAX_OFFSET) reasons.refuse(`${where}: ${path} is at an offset that no file has (${offset})`);
  switch (formatOf(entry)) {
    case FORMAT.regular:
      return { is: "regular", path, flags, offset };
    case FORMAT.directory:
      return { is: "directory", path, flags, offset };
    case FORMAT.character:
      if (DEVICES.includes(path)) return { is: "device", path, flags, offset };
      reasons.refuse(`${where}: the device ${path}`);
      return undefined;
    default:
      reasons.refuse(`${where}: ${path} is no regular file, directory or character device`);
      return undefined;
  }
}
