/**
 * The rehearsal of a restore, when a checkpoint is made. The compiled process is cloned out of a memory template into a
 * sandbox as it will be later, asked what it was warmed up with, and ended. It shows that the engine really brings
 * this process back, and which pages it touches first: those are made its own before it runs, at once, instead of one page
 * fault at a time. What it wrote is told apart by the kernel: a page that is still the template's, too, is not mapped
 * exclusively (bit 56 of /proc/PID/pagemap, Documentation/admin-guide/mm/pagemap.rst).
 */
import { randomBytes } from "node:crypto";
import { open } from "node:fs/promises";
import type { Containers } from "../container/index.ts";
import { ALONE } from "../container/index.ts";
import type { ContainerSpec } from "../container/types.ts";
import { Stdio } from "../launcher/generated/protocol.ts";
import { endRecord, type LauncherClient, runToStart } from "../launcher/index.ts";
import { type Cgroups, cleanupPlan } from "../sandbox/index.ts";
import type { PrefaultRecord } from "./compile/generated/tables.ts";
import type { ProcessImage, Vma } from "./compile/process.ts";
import { clonePlan, type Tables, templatePlan } from "./engine/compiled-plan.ts";
import { DEFAULT_LIMIT_MS, endLater, restoreLimit } from "./engine/limit.ts";
import type { CheckpointManifest } from "./manifest.ts";
import { restoreSandbox, sandboxCleanup } from "./plans.ts";
import { templateId } from "./templates.ts";

export interface RehearsalDeps {
  readonly client: LauncherClient;
  readonly cgroups: Cgroups;
  readonly containers: Pick<Containers, "place">;
}

export interface Rehearsed {
  readonly process: ProcessImage;
  readonly files: Tables;
  /** The dumped container with the checkpoint's writable layer on top. */
  readonly spec: ContainerSpec;
  readonly clocks: CheckpointManifest["clocks"];
}

/** Asks a restored container, given its launcher's id, what it will be asked later. */
export type AskAgain = (container: string) => Promise<void>;

/** How long a process that is asked nothing may run, ms. */
const ALONE_MS = 30;
const PAGE = 4096n;
const ENTRY_BYTES = 8;
const PRESENT = 1n << 63n;
const OF_FILE = 1n << 61n;
const EXCLUSIVE = 1n << 56n;
/** Pages read that lie so near to each other are one range: the kernel maps around a fault anyway. */
const READ_GAP = 16n;
/** Pages. Beyond it, copying ahead takes longer than it may. */
const MOST_WRITTEN = 4096n;
/** Mappings above this are reserved, not used, bytes. */
const MOST_LOOKED_AT = 8n << 30n;

/** The pages that are worth having early. @throws ThawError START_FAILED when the restore fails. */
export async function rehearse(deps: RehearsalDeps, work: Rehearsed, ask?: AskAgain): Promise<PrefaultRecord[]> {
  const { client, cgroups } = deps;
  const { spec, process, files } = work;
  const template = templateId(randomBytes(16).toString("hex"));
  const id = randomBytes(32).toString("hex");
  // Neither may keep a checkpoint from being made by never coming to an end.
  const limit = restoreLimit(pagesOf(process) * Number(PAGE), DEFAULT_LIMIT_MS);
  const callOffs = [template, id].map((record) => endLater(client, record, limit, () => true));
  try {
    const { lowers, hooks } = spec;
    const plan = templatePlan({ cgroups, id: template, lowers, hooks, oomScore: process.oomScoreAdj, ...files });
    await start(client, template, plan, cleanupPlan(cgroups, template));
    const place = deps.containers.place(id);
    const sandbox = restoreSandbox(spec, place, cgroups, ALONE, work.clocks);
    const cleanup = [...sandboxCleanup(spec, place, cgroups, "drop"), removeTree(place.directory)];
    const { pid } = await start(client, id, clonePlan({ sandbox, template, hold: false }), cleanup);
    for (const callOff of callOffs) callOff();
    await (ask?.(id) ?? Bun.sleep(ALONE_MS));
    return await touched(pid, process.vmas);
  } finally {
    for (const callOff of callOffs) callOff();
    await endRecord(client, id).finally(() => endRecord(client, template));
  }
}

function pagesOf({ pages }: ProcessImage): number {
  return pages.reduce((sum, run) => sum + run.pages, 0);
}

function removeTree(path: string) {
  return { kind: "remove_tree", path } as const;
}

function start(
  client: LauncherClient,
  id: string,
  plan: ReturnType<typeof clonePlan>,
  cleanup: ReturnType<typeof cleanupPlan>,
) {
  return runToStart(client, { kind: "run", id, sandbox: "", stdio: Stdio.none, log: "", plan, cleanup });
}

async function touched(pid: number, vmas: readonly Vma[]): Promise<PrefaultRecord[]> {
  const pagemap = await open(`/proc/${pid}/pagemap`, "r");
  const ranges = new Ranges();
  try {
    for (const { start, end, prot, kind } of vmas) {
      if (prot === 0 || end - start > MOST_LOOKED_AT || kind.is === "vvar" || kind.is === "vdso") continue;
      const entries = Buffer.alloc(Number((end - start) / PAGE) * ENTRY_BYTES);
      const { bytesRead } = await pagemap.read(entries, 0, entries.length, Number(start / PAGE) * ENTRY_BYTES);
      for (let at = 0; at < bytesRead; at += ENTRY_BYTES) {
        ranges.add(start + BigInt(at / ENTRY_BYTES) * PAGE, entries.readBigUInt64LE(at));
      }
      ranges.close();
    }
  } finally {
    await pagemap.close();
  }
  return ranges.all;
}

/** Pages gathered to ranges, in ascending order. */
class Ranges {
  readonly all: PrefaultRecord[] = [];
  #written = 0n;
  #start = 0n;
  #end = 0n;
  #write = 0;

  add(address: bigint, entry: bigint): void {
    if (!(entry & PRESENT)) return;
    const isOfFile = (entry & OF_FILE) !== 0n;
    // What is still the template's is mapped without a fault.
    if (!isOfFile && !(entry & EXCLUSIVE)) return;
    const write = isOfFile ? 0 : 1;
    const gap = write === 1 ? 0n : READ_GAP * PAGE;
    if (this.#end === 0n || write !== this.#write || address > this.#end + gap) {
      this.close();
      this.#start = address;
      this.#write = write;
    }
    this.#end = address + PAGE;
  }

  /** Ends the range that is being gathered. */
  close(): void {
    if (this.#end === 0n) return;
    const bytes = this.#end - this.#start;
    if (this.#write === 1) this.#written += bytes / PAGE;
    if (this.#write === 0 || this.#written <= MOST_WRITTEN) {
      this.all.push({ start: this.#start, bytes, write: this.#write });
    }
    this.#end = 0n;
  }
}
