/**
 * The compiled engine as plans: the tables of a checkpoint executed in a prepared sandbox, out of a memory template or
 * straight from disk, and the template itself. docs/restore.md has the design.
 */
import { type ChildOp, type Op, Role, Wait } from "../../launcher/generated/protocol.ts";
import { type Cgroups, DEV, hookOps, leanRoot, Namespace } from "../../sandbox/index.ts";

/** What the restorer reads. */
export interface Tables {
  /** Absolute path of `process.tables`. */
  readonly tables: string;
  /** Absolute paths of the files with pages, as the tables number them. */
  readonly packs: readonly string[];
}

interface Common {
  /** Operations that make a fresh sandbox, among them the holder's `ready`. */
  readonly sandbox: readonly Op[];
  /** For tests: the number of the restorer's system call that shall fail; 0: none. */
  readonly failAt?: number;
}

export interface DirectRestore extends Common, Tables {
  /** Pid of the dumped process in its pid namespace. */
  readonly pid: number;
  readonly oomScore: number;
}

export interface CloneRestore extends Common {
  /** Id of the template's container. */
  readonly template: string;
  /** Stop before the threads are made, and wait for a connection. */
  readonly hold: boolean;
}

/** Tier "disk": a process made in the sandbox reads its memory and goes on. */
export function directPlan(restore: DirectRestore): Op[] {
  const { sandbox, tables, packs, pid, oomScore, failAt = 0 } = restore;
  return [
    ...sandbox,
    { kind: "next_pid", pid },
    { kind: "spawn", role: Role.main, wait: Wait.ready, namespaces: 0n, join: 1 },
    { kind: "cgroup_join" },
    { kind: "oom_score", adj: oomScore },
    { kind: "restore_open", tables, packs },
    { kind: "join" },
    { kind: "restore", asTemplate: 0, failAt },
  ];
}

/** Tiers "template" and "parked": the template clones a process into the sandbox. */
export function clonePlan({ sandbox, template, hold, failAt = 0 }: CloneRestore): Op[] {
  return [...sandbox, { kind: "restore_clone", template, hold: hold ? 1 : 0, failAt }];
}

export interface TemplatePlace extends Tables {
  readonly cgroups: Cgroups;
  /** Names its cgroup leaves. */
  readonly id: string;
  /** Directories of the dumped process's root, top first: mapped files are opened in it, and nothing is written. */
  readonly lowers: readonly string[];
  /** The container's hooks: a program may have mapped some of them. */
  readonly hooks?: string | undefined;
  readonly oomScore: number;
}

/** A process that holds the memory and waits to be cloned. It has a leaf of its own, so that what it holds is known. */
export function templatePlan({ cgroups, id, lowers, hooks, tables, packs, oomScore }: TemplatePlace): Op[] {
  const dev: ChildOp[] = hooks === undefined ? [] : [DEV, ...hookOps(hooks)];
  const root: ChildOp[] = [{ kind: "empty_mounts" }, leanRoot(lowers), ...dev, { kind: "pivot" }];
  return [
    ...cgroups.make(id),
    { kind: "spawn", role: Role.main, wait: Wait.ready, namespaces: Namespace.ipc, join: 0 },
    { kind: "cgroup_join" },
    { kind: "die_with_parent" },
    { kind: "oom_score", adj: oomScore },
    { kind: "restore_open", tables, packs },
    ...root,
    { kind: "restore", asTemplate: 1, failAt: 0 },
  ];
}
