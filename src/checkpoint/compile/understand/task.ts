/** What belongs to the process and not to one of its threads: signals, limits, timers, and its state. */
import type { TaskEntry, TimersEntry } from "../../images/messages/process.ts";
import type { ProcessImage, ResourceLimit, SignalAction } from "../process.ts";
import { hex, nanoseconds, type Reasons } from "./context.ts";
import { posixTimers } from "./posix-timers.ts";

const ALIVE = 1;
const STOPPED = 3;
const SIGKILL = 9;
const SIGSTOP = 19;
const SIGNALS = 64;
const LIMITS = 16;
const MAX_OOM_SCORE_ADJ = 1000;
/** What can be registered with membarrier(2): global, private, private with core serialization, private with rseq. */
const MEMBARRIER_KNOWN = 0b1_0101_0100;

type TaskPart = Pick<
  ProcessImage,
  "signals" | "limits" | "itimers" | "timers" | "membarrier" | "oomScoreAdj" | "childSubreaper"
>;

/** Signals that actions are for, in the order in which CRIU writes them. */
const WITH_ACTIONS = Array.from({ length: SIGNALS }, (_, index) => index + 1).filter(
  (signal) => signal !== SIGKILL && signal !== SIGSTOP,
);

/** Everything about the process, whose threads are `tids`, that is not memory, files or threads. */
export function understandTask(task: TaskEntry, tids: readonly number[], reasons: Reasons): TaskPart {
  if (task.state !== ALIVE || task.stopSignal !== undefined) {
    reasons.refuse(
      task.state === STOPPED ? "the process is stopped" : `the process is not alive (state ${task.state})`,
    );
  }
  if (task.personality !== 0) reasons.refuse(`the process has a personality (${task.personality})`);
  const pending = task.pendingSignals?.signals.length ?? 0;
  if (pending > 0) reasons.refuse(`the process has ${pending} pending signal${pending === 1 ? "" : "s"}`);
  const membarrier = task.membarrier ?? 0;
  if (membarrier & ~MEMBARRIER_KNOWN) reasons.refuse(`unknown registrations for membarrier ${hex(membarrier)}`);
  const oomScoreAdj = task.oomScoreAdj ?? 0;
  if (Math.abs(oomScoreAdj) > MAX_OOM_SCORE_ADJ) reasons.refuse(`the OOM score ${oomScoreAdj} is out of range`);
  return {
    signals: actionsOf(task, reasons),
    limits: limitsOf(task, reasons),
    itimers: itimersOf(task.timers, reasons),
    timers: posixTimers(task.timers?.posix ?? [], tids, reasons),
    membarrier,
    oomScoreAdj,
    childSubreaper: task.childSubreaper ?? false,
  };
}

function actionsOf({ actions }: TaskEntry, reasons: Reasons): SignalAction[] {
  if (actions.length !== WITH_ACTIONS.length) {
    reasons.refuse(`expected actions for ${WITH_ACTIONS.length} signals, got ${actions.length}`);
    return [];
  }
  return actions.flatMap(({ handler, flags, restorer, mask, compat }, index) => {
    const signal = WITH_ACTIONS[index];
    if (signal === undefined) return [];
    if (compat) reasons.refuse(`signal ${signal}: a 32-bit handler`);
    // Flags can matter without a handler (SA_NOCLDWAIT).
    return (handler | flags | mask) === 0n ? [] : [{ signal, handler, flags, restorer, mask }];
  });
}

function limitsOf({ rlimits }: TaskEntry, reasons: Reasons): ResourceLimit[] {
  const limits = rlimits?.limits ?? [];
  if (limits.length !== LIMITS) reasons.refuse(`expected ${LIMITS} resource limits, got ${limits.length}`);
  return limits.map(({ cur, max }, resource) => ({ resource, soft: cur, hard: max }));
}

function itimersOf(timers: TimersEntry | undefined, reasons: Reasons): ProcessImage["itimers"] {
  if (timers === undefined) {
    reasons.refuse("no timers in the images");
    return [];
  }
  const all = [timers.real, timers.virtual, timers.prof];
  return all.flatMap(({ isec, iusec, vsec, vusec }, index) => {
    const value = nanoseconds(vsec, vusec, 1000n);
    const which = index === 0 ? 0 : index === 1 ? 1 : 2;
    return value === 0n ? [] : [{ which, interval: nanoseconds(isec, iusec, 1000n), value } as const];
  });
}
