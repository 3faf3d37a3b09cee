/** What the functions that understand the types of open files share. */
import type { Images } from "../../images/index.ts";
import type { FileEntry } from "../../images/messages/files.ts";
import type { OpenFile } from "../process.ts";
import type { Reasons, UnderstandContext } from "./context.ts";
import type { FileTable } from "./tables.ts";

/** An open file with the descriptors that lead to it. */
export interface Opened {
  readonly file: FileEntry;
  /** Lowest first; never empty. */
  readonly fds: readonly number[];
  /** "fd 7" or "fds 7, 9". */
  readonly where: string;
}

/** What the functions for the types of files share. */
export interface FilesContext {
  readonly images: Images;
  readonly context: UnderstandContext;
  readonly table: FileTable;
  readonly reasons: Reasons;
}

/** An open file, understood; `of` is its id in the images. */
export interface Understood {
  readonly of: number;
  readonly file: OpenFile;
}

/** CRIU's fd_types. */
export const TYPE = {
  regular: 1,
  pipe: 2,
  inet: 4,
  unix: 5,
  eventfd: 6,
  epoll: 7,
  inotify: 8,
  signalfd: 9,
  timerfd: 17,
} as const;

/** What only counts while a file is opened (O_CREAT, O_EXCL, O_NOCTTY, O_TRUNC, O_CLOEXEC), and O_ASYNC: see claims.ts. */
const NOT_AGAIN = 0o100 | 0o200 | 0o400 | 0o1000 | 0o2000000 | 0o20000;
/** Flags as open(2) takes them again. */
export function reopenFlags(flags: number): number {
  return flags & ~NOT_AGAIN;
}
