/** Pipes: the container's standard streams, which are connected anew, and those within the process, with their data. */
import type { PipeEntry } from "../../images/messages/files.ts";
import type { OpenFile } from "../process.ts";
import type { Reasons } from "./context.ts";
import { type FilesContext, type Opened, reopenFlags, type Understood } from "./open-files.ts";

const ACCESS_MODE = 3;
const O_RDONLY = 0;
const O_WRONLY = 1;
/** What a pipe holds unless told otherwise, bytes. */
const DEFAULT_SIZE = 65536;

interface End {
  readonly of: number;
  readonly where: string;
  readonly entry: PipeEntry;
}

/** Both ends of a pipe stand side by side, the reading one first and with the data. */
export function pipes(opened: readonly Opened[], shared: FilesContext): Understood[] {
  const { images, reasons } = shared;
  const ends = new Map<number, End[]>();
  const understood: Understood[] = [];
  for (const { file, where } of opened) {
    const entry = file.pipe;
    // A pipe without content has been refused.
    if (entry === undefined) continue;
    const stream = streamOf(entry, where, shared);
    if (stream !== undefined) understood.push({ of: file.id, file: stream });
    else ends.set(entry.pipe, [...(ends.get(entry.pipe) ?? []), { of: file.id, where, entry }]);
  }
  const data = contents(images.pipesData, reasons);
  for (const { entry } of images.pipesData) {
    const isStream = shared.context.stdio.includes(`pipe:[${entry.pipe}]`);
    if (!ends.has(entry.pipe) && !isStream)
      reasons.refuse(`pipes-data.img: data of a pipe that nobody has (${entry.pipe})`);
  }
  const readingFirst = (both: readonly End[]) => both.toSorted((a, b) => accessOf(a.entry) - accessOf(b.entry));
  return [
    ...understood,
    ...[...ends].flatMap(([pipe, both]) => pair(pipe, readingFirst(both), data.get(pipe), reasons)),
  ];
}

function accessOf({ flags }: PipeEntry): number {
  return flags & ACCESS_MODE;
}

/** The pipe as a standard stream, if it is one and used in its direction. */
function streamOf(entry: PipeEntry, where: string, { context, reasons }: FilesContext): OpenFile | undefined {
  const name = `pipe:[${entry.pipe}]`;
  if (!context.stdio.includes(name)) return undefined;
  const access = accessOf(entry);
  const flags = reopenFlags(entry.flags);
  if (context.stdio[0] === name && access === O_RDONLY) return { is: "stdio", stream: 0, flags };
  if (context.stdio[1] === name && access === O_WRONLY) return { is: "stdio", stream: 1, flags };
  if (context.stdio[2] === name && access === O_WRONLY) return { is: "stdio", stream: 2, flags };
  reasons.refuse(`${where}: the other end of a standard stream`);
  return { is: "stdio", stream: 0, flags };
}

function contents(pipesData: FilesContext["images"]["pipesData"], reasons: Reasons) {
  const byPipe = new Map<number, { size: number | undefined; data: Uint8Array }>();
  for (const { entry, payload } of pipesData) {
    if (byPipe.has(entry.pipe)) reasons.refuse(`pipes-data.img: data of the pipe ${entry.pipe} twice`);
    byPipe.set(entry.pipe, { size: entry.size, data: payload });
  }
  return byPipe;
}

function pair(
  pipe: number,
  ends: readonly End[],
  content: { size: number | undefined; data: Uint8Array } | undefined,
  reasons: Reasons,
): Understood[] {
  const { size = DEFAULT_SIZE, data = new Uint8Array(0) } = content ?? {};
  const taken = new Set<string>();
  if (data.length > size) reasons.refuse(`${ends[0]?.where}: ${data.length} bytes in a pipe that holds ${size}`);
  return ends.flatMap(({ of, where, entry }, position) => {
    const access = accessOf(entry);
    if (access !== O_RDONLY && access !== O_WRONLY) {
      reasons.refuse(`${where}: a pipe opened for both reading and writing`);
      return [];
    }
    const end = access === O_RDONLY ? "read" : "write";
    if (taken.has(end)) reasons.refuse(`${where}: an end of a pipe that was opened a second time`);
    taken.add(end);
    const flags = reopenFlags(entry.flags);
    const own = position === 0 ? data : new Uint8Array(0);
    return [{ of, file: { is: "pipe", pipe, end, flags, data: own, size } }];
  });
}
