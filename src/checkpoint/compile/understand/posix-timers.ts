/** Timers of timer_create(2). */
import type { TimersEntry } from "../../images/messages/process.ts";
import type { PosixTimer } from "../process.ts";
import { nanoseconds, type Reasons } from "./context.ts";

/** CLOCK_REALTIME, _MONOTONIC, _PROCESS_CPUTIME_ID, _BOOTTIME, _TAI. Whose time a thread's is (-2) no image says. */
const CLOCKS = [0, 1, 2, 7, 11];
const CLOCK_PROCESS_CPUTIME_ID = 2;
/** What the kernel makes of it. */
const OWN_PROCESS = -6;
const SIGEV_NONE = 1;
const SIGEV_THREAD_ID = 4;
/** And SIGEV_SIGNAL and SIGEV_THREAD, which is the same to the kernel. */
const NOTIFY = [0, SIGEV_NONE, 2, SIGEV_THREAD_ID];
const SIGNALS = 64;
const MAX_ID = 2 ** 31 - 1;
const NANOSECONDS = 1_000_000_000n;

type Entry = TimersEntry["posix"][number];

/**
 * The timers by ascending id. The overrun of the last signal that was delivered cannot be set again, and is left out as
 * it is by CRIU. @param tids of the process's threads.
 */
export function posixTimers(entries: readonly Entry[], tids: readonly number[], reasons: Reasons): PosixTimer[] {
  const ids = new Set<number>();
  const timers = entries.map((entry) => {
    if (ids.has(entry.id)) reasons.refuse(`POSIX timer ${entry.id}: named twice`);
    ids.add(entry.id);
    return timer(entry, tids, reasons);
  });
  return timers.sort((a, b) => a.id - b.id);
}

function timer(entry: Entry, tids: readonly number[], reasons: Reasons): PosixTimer {
  const { id, clockId, notify, signal, value: data, notifyThreadId } = entry;
  const refuse = (why: string) => reasons.refuse(`POSIX timer ${id}: ${why}`);
  const clock = (clockId | 0) === OWN_PROCESS ? CLOCK_PROCESS_CPUTIME_ID : clockId;
  const thread = notify === SIGEV_THREAD_ID ? (notifyThreadId ?? 0) : 0;
  if (id > MAX_ID) refuse(`expected an id of at most ${MAX_ID}`);
  if (!CLOCKS.includes(clock)) refuse(`the clock ${clock | 0}`);
  if (!NOTIFY.includes(notify)) refuse(`an unknown way to tell of it (${notify})`);
  else if (notify !== SIGEV_NONE && (signal < 1 || signal > SIGNALS)) refuse(`no signal has the number ${signal}`);
  if (notify === SIGEV_THREAD_ID && !tids.includes(thread)) refuse(`it tells the thread ${thread}, which is not there`);
  if (entry.vnsec >= NANOSECONDS || entry.insec >= NANOSECONDS) refuse("no valid time");
  const interval = nanoseconds(entry.isec, entry.insec, 1n);
  // One that has an interval was running: nothing left means that it was due.
  const value = nanoseconds(entry.vsec, entry.vnsec, 1n) || interval;
  return { id, clock, notify, signal, thread, data, interval, value };
}
