/** epoll sets, which come after what they watch, also when that is another set. */
import type { EpollEntry, FdinfoEntry } from "../../images/messages/files.ts";
import type { OpenFile } from "../process.ts";
import { type FilesContext, type Opened, reopenFlags, TYPE, type Understood } from "./open-files.ts";

/** The sets in an order in which they can be filled. */
export function epollSets(
  opened: readonly Opened[],
  fdinfo: readonly FdinfoEntry[],
  { reasons }: FilesContext,
): Understood[] {
  const byFd = new Map(fdinfo.map((entry) => [entry.fd, entry]));
  const sets = new Map<number, { where: string; entry: EpollEntry; needs: Set<number> }>();
  for (const { file, where } of opened) {
    if (file.epoll === undefined) continue;
    const needs = new Set<number>();
    for (const { fd } of file.epoll.targets) {
      const target = byFd.get(fd);
      if (target === undefined) reasons.refuse(`${where}: an epoll set that watches the closed descriptor ${fd}`);
      else if (target.type === TYPE.epoll) needs.add(target.id);
    }
    sets.set(file.id, { where, entry: file.epoll, needs });
  }
  const done = new Map<number, Understood>();
  for (let before = -1; before !== done.size; ) {
    before = done.size;
    for (const [of, { entry, needs }] of sets) {
      if (!done.has(of) && [...needs].every((id) => done.has(id))) done.set(of, { of, file: setOf(entry) });
    }
  }
  for (const [of, { where }] of sets) {
    if (!done.has(of)) reasons.refuse(`${where}: epoll sets that watch each other`);
  }
  return [...done.values()];
}

function setOf({ flags, targets }: EpollEntry): OpenFile {
  const watches = targets.map(({ fd, events, data }) => ({ fd, events, data }));
  return { is: "epoll", flags: reopenFlags(flags), watches };
}
