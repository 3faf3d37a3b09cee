/** Files without a path: eventfd, timerfd, signalfd, inotify. */
import type { FileEntry } from "../../images/messages/files.ts";
import type { OpenFile } from "../process.ts";
import { hex, nanoseconds, type Reasons } from "./context.ts";
import { reopenFlags } from "./open-files.ts";

/** CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME. */
const CLOCKS = [0, 1, 7];
/** TFD_TIMER_ABSTIME, TFD_TIMER_CANCEL_ON_SET. */
const SETTIME_FLAGS = 0b11;
/** IN_ALL_EVENTS, IN_EXCL_UNLINK, IN_ONESHOT. */
const WATCH_MASK = 0xfff | 0x04000000 | 0x80000000;
/** The kernel's own mark of watched directories. */
const EVENT_ON_CHILD = 0x08000000;
const NANOSECONDS = 1_000_000_000n;

/** A counter; that it is a semaphore CRIU does not see: engine/unsafe-live.ts. */
export function eventfd({ flags, counter }: NonNullable<FileEntry["eventfd"]>): OpenFile {
  return { is: "eventfd", flags: reopenFlags(flags), counter };
}

export function signalfd({ flags, mask }: NonNullable<FileEntry["signalfd"]>): OpenFile {
  return { is: "signalfd", flags: reopenFlags(flags), mask };
}

export function timerfd(
  entry: NonNullable<FileEntry["timerfd"]>,
  where: string,
  reasons: Reasons,
): OpenFile | undefined {
  const { clock, ticks, settimeFlags: settime } = entry;
  if (!CLOCKS.includes(clock)) reasons.refuse(`${where}: a timer of the clock ${clock}`);
  if (settime & ~SETTIME_FLAGS) reasons.refuse(`${where}: a timer with unknown flags ${hex(settime)}`);
  if (entry.vnsec >= NANOSECONDS || entry.insec >= NANOSECONDS) reasons.refuse(`${where}: a timer of no valid time`);
  const value = nanoseconds(entry.vsec, entry.vnsec, 1n);
  const interval = nanoseconds(entry.isec, entry.insec, 1n);
  return { is: "timerfd", flags: reopenFlags(entry.flags), clock, ticks, settime, interval, value };
}

export function inotify(
  { flags, watches }: NonNullable<FileEntry["inotify"]>,
  where: string,
  reasons: Reasons,
): OpenFile | undefined {
  const understood = watches.flatMap(({ wd, mask: all, ignoredMask, handle }) => {
    const mask = (all & ~EVENT_ON_CHILD) >>> 0;
    const { path } = handle;
    if (mask & ~WATCH_MASK) reasons.refuse(`${where}: watch ${wd} has an unknown mask ${hex(mask)}`);
    if (ignoredMask !== 0) reasons.refuse(`${where}: watch ${wd} ignores events (${hex(ignoredMask)})`);
    if (path === undefined || !path.startsWith("/")) {
      reasons.refuse(`${where}: CRIU found no path of what watch ${wd} watches`);
      return [];
    }
    return [{ wd, mask, path }];
  });
  return { is: "inotify", flags: reopenFlags(flags), watches: understood.sort((a, b) => a.wd - b.wd) };
}
