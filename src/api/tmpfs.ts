/** Options of a tmpfs as in `--tmpfs /run:size=64m,mode=1777`. */

import { z } from "zod";
import { show } from "../common/show.ts";
import { entryOf } from "../common/table.ts";
import { parseSize } from "./texts.ts";
import { pathSchema } from "./values.ts";

/** What mount(2) takes. */
export interface TmpfsText {
  /** MS_*. */
  readonly flags: number;
  readonly options: string;
}

/** Flags that are set, and that are taken away, by a word. */
const FLAGS: Readonly<Record<string, readonly [set: number, clear: number]>> = {
  ro: [1, 0],
  rw: [0, 1],
  nosuid: [2, 0],
  suid: [0, 2],
  nodev: [4, 0],
  dev: [0, 4],
  noexec: [8, 0],
  exec: [0, 8],
  sync: [16, 0],
  async: [0, 16],
  noatime: [1024, 0],
  atime: [0, 1024],
  nodiratime: [2048, 0],
  diratime: [0, 2048],
  relatime: [1 << 21, 0],
  norelatime: [0, 1 << 21],
  strictatime: [1 << 24, 0],
  nostrictatime: [0, 1 << 24],
};
/** nosuid, nodev, noexec: as Docker has it. */
const DEFAULT_FLAGS = 2 | 4 | 8;

/** The value of an option of the file system as tmpfs wants it; undefined when it is none. */
const VALUES: Readonly<Record<string, (value: string) => string | undefined>> = {
  size: (value) => {
    if (/^\d{1,3}%$/.test(value)) return value;
    const bytes = parseSize(value);
    return bytes === undefined ? undefined : String(bytes);
  },
  nr_inodes: (value) => (/^\d{1,12}[kmg]?$/i.test(value) ? value : undefined),
  nr_blocks: (value) => (/^\d{1,12}[kmg]?$/i.test(value) ? value : undefined),
  mode: (value) => (/^0?[0-7]{1,4}$/.test(value) ? value : undefined),
  uid: (value) => (/^\d{1,9}$/.test(value) ? value : undefined),
  gid: (value) => (/^\d{1,9}$/.test(value) ? value : undefined),
};

/** Flags and options of "size=64m,exec"; a text that says what is wrong when something is. */
export function parseTmpfs(text: string): TmpfsText | string {
  let flags = DEFAULT_FLAGS;
  const values = new Map([["mode", "1777"]]);
  for (const part of text.split(",").filter(Boolean)) {
    const [name = "", value] = part.split("=", 2);
    const flag = entryOf(FLAGS, name);
    const parsed = value === undefined ? undefined : entryOf(VALUES, name)?.(value);
    if (flag !== undefined && value === undefined) flags = (flags | flag[0]) & ~flag[1];
    else if (parsed !== undefined) values.set(name, parsed);
    else return `expected options such as size=64m, mode=1777, uid=1000, exec or ro, and not ${show(part)}`;
  }
  return { flags, options: [...values].map(([name, value]) => `${name}=${value}`).join(",") };
}

/** { "/run": "size=64m" }. */
export const tmpfsSchema = z.record(pathSchema, z.string()).transform((mounts, context) =>
  Object.entries(mounts).map(([target, text]) => {
    const parsed = parseTmpfs(text);
    if (typeof parsed !== "string") return { target, ...parsed };
    context.addIssue({ code: "custom", message: parsed, path: [target] });
    return z.NEVER;
  }),
);
