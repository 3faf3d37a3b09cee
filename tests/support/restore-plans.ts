/**
 * Restores by thaw's own engine as plans of the launcher's, without the manager in between: direct ones, memory templates
 * and their clones, with the system call of the restorer named that shall fail. What runs is `ingredients.c`.
 */
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readTables } from "../../protocol/tables.ts";
import { CompiledEngine, tablesOf } from "../../src/checkpoint/engine/compiled.ts";
import { templatePlan } from "../../src/checkpoint/engine/compiled-plan.ts";
import type { ReadyCheckpoint } from "../../src/checkpoint/index.ts";
import { restoreSandbox, sandboxCleanup } from "../../src/checkpoint/plans.ts";
import { execOk } from "../../src/common/exec.ts";
import { ALONE, type ContainerPlace, containerPlace, newContainerId, readLog } from "../../src/container/index.ts";
import type { ContainerSpec } from "../../src/container/types.ts";
import { type Op, Stdio } from "../../src/launcher/generated/protocol.ts";
import type { LauncherClient } from "../../src/launcher/index.ts";
import { Cgroups, cleanupPlan, detectCgroups } from "../../src/sandbox/index.ts";
import type { Machine } from "./machine.ts";

const SOURCE = new URL("ingredients.c", import.meta.url).pathname;
const SIGUSR1 = 10;
/** What a restore may take before it counts as hung: far more than any does, ms. */
const HUNG_MS = 8000;

/** How a plan ended: the process runs, or why it does not. */
export type Outcome =
  | { readonly is: "running"; readonly id: string; readonly pid: number }
  | {
      readonly is: "failed";
      readonly id: string;
      readonly errno: number;
      readonly detail: string;
      readonly status: number;
    }
  | { readonly is: "exited" | "hung"; readonly id: string };

export interface How {
  /** Id of a template's container; without one the restore is direct. */
  readonly template?: string;
  /** Other tables than the checkpoint's own. */
  readonly tables?: string;
  readonly failAt?: number;
  readonly stdio?: Stdio;
  /** Kills all of it that many milliseconds after it was asked for. */
  readonly killAfterMs?: number;
}

/** Puts the program into the machine's root. */
export async function installIngredients(machine: Machine): Promise<void> {
  await execOk(["gcc", "-O1", "-static", "-o", join(machine.root, "ingredients"), SOURCE]);
  mkdirSync(join(machine.root, "data"), { recursive: true });
  chmodSync(join(machine.root, "data"), 0o777);
}

export class Restores {
  readonly #machine: Machine;
  readonly #cgroups: Cgroups;
  readonly #places = new Map<string, ContainerPlace>();

  constructor(machine: Machine) {
    this.#machine = machine;
    this.#cgroups = new Cgroups(detectCgroups(), machine.paths.run);
  }

  get #client(): LauncherClient {
    return this.#machine.daemon.client;
  }

  /** Starts the program; resolves with the container's id when it has made everything. */
  async start(name: string, changes: Partial<ContainerSpec> = {}, ...args: string[]): Promise<string> {
    const { containers } = this.#machine.daemon;
    const spec = this.#machine.container(name, { argv: ["/ingredients", ...args], ...changes });
    const { id } = await containers.create(spec);
    await containers.start(id);
    await eventually(async () => (await this.output(id)).includes("ready\n"), `the program of ${name} to be ready`);
    return id;
  }

  /** What a container printed, without what it printed before a restore. */
  async output(id: string): Promise<string> {
    const place = this.#places.get(id) ?? this.#machine.daemon.containers.place(id);
    const parts: Uint8Array[] = [];
    for await (const { bytes } of readLog(place.log, { follow: false, ended: async () => {} })) parts.push(bytes);
    return Buffer.concat(parts).toString();
  }

  /** What the program says of itself. */
  async report(id: string): Promise<string> {
    const before = (await this.output(id)).length;
    await this.#client.request({ kind: "signal", id, signo: SIGUSR1 });
    let line: string | undefined;
    await eventually(async () => {
      line = /^report .*\n/m.exec((await this.output(id)).slice(before))?.[0];
      return line !== undefined;
    }, `${id} to answer a signal`);
    return line ?? "";
  }

  /** Writes the tables of a checkpoint with other fields of the header and other groups. Resolves with their path. */
  async rewrite(ready: ReadyCheckpoint, fields: Record<string, number>, groups: readonly number[]): Promise<string> {
    const own = tablesOf(ready.manifest, this.#machine.daemon.store.directoryOf(ready.manifest.id)).tables;
    const old = readFileSync(own);
    const tables = new Uint8Array((old.length + 7 + groups.length * 4 + 7) & ~7);
    tables.set(old);
    const view = new DataView(tables.buffer);
    const offsets = await headerOffsets();
    const groupsAt = (old.length + 7) & ~7;
    groups.forEach((gid, i) => void view.setUint32(groupsAt + i * 4, gid, true));
    const all = { ...fields, size: tables.length, groups_at: groupsAt, groups_count: groups.length };
    for (const [name, value] of Object.entries(all)) {
      const field = offsets.get(name);
      if (field === undefined) throw new Error(`the header has no ${name}`);
      if (field.type === "u64") view.setBigUint64(field.at, BigInt(value), true);
      else view.setUint32(field.at, value, true);
    }
    return this.writeBytes(tables);
  }

  writeBytes(tables: Uint8Array): string {
    const path = join(this.#machine.paths.run, `${newContainerId()}.tables`);
    writeFileSync(path, tables, { mode: 0o600 });
    return path;
  }

  /** The template of a checkpoint, as a container of the launcher's. */
  template(ready: ReadyCheckpoint, how: Pick<How, "failAt" | "tables"> = {}): Promise<Outcome> {
    const { failAt = 0 } = how;
    const id = newContainerId();
    const own = tablesOf(ready.manifest, this.#machine.daemon.store.directoryOf(ready.manifest.id));
    const { tables = own.tables } = how;
    const { lowers, hooks } = ready.restoredSpec;
    const plan = templatePlan({ cgroups: this.#cgroups, id, lowers, hooks, ...own, tables, oomScore: 0 });
    const failing = plan.map((op): Op => (op.kind === "restore" ? { ...op, failAt } : op));
    return this.#run(id, failing, cleanupPlan(this.#cgroups, id), Stdio.none);
  }

  /** One restore. */
  restore(ready: ReadyCheckpoint, how: How = {}): Promise<Outcome> {
    const { template, tables, failAt = 0, stdio = Stdio.pipes } = how;
    const id = newContainerId();
    const place = containerPlace(this.#machine.paths.containers, id);
    mkdirSync(place.directory, { recursive: true, mode: 0o700 });
    this.#places.set(id, place);
    const { plan, cleanup } = new CompiledEngine().compile(ready.manifest, {
      directory: this.#machine.daemon.store.directoryOf(ready.manifest.id),
      sandbox: restoreSandbox(ready.restoredSpec, place, this.#cgroups, ALONE),
      cleanup: sandboxCleanup(ready.restoredSpec, place, this.#cgroups, "drop"),
      outputFile: join(place.directory, "engine.log"),
      verbosity: 1,
      template: template === undefined ? undefined : { template, hold: false },
      failAt,
    });
    const other = plan.map((op) => (op.kind === "restore_open" && tables !== undefined ? { ...op, tables } : op));
    const { killAfterMs } = how;
    if (killAfterMs !== undefined) {
      const kill = () => this.#client.request({ kind: "kill", id }).catch(() => {});
      setTimeout(kill, killAfterMs);
    }
    return this.#run(id, other, cleanup, stdio, place.log);
  }

  async #run(id: string, plan: readonly Op[], cleanup: readonly Op[], stdio: Stdio, log = ""): Promise<Outcome> {
    const { promise, resolve } = Promise.withResolvers<Outcome>();
    const stop = this.#client.onEvent((event) => {
      if (!("id" in event) || event.id !== id) return;
      if (event.kind === "started") resolve({ is: "running", id, pid: event.pid });
      if (event.kind === "failed")
        resolve({ is: "failed", id, errno: event.errno, detail: event.detail, status: event.exitStatus });
      if (event.kind === "exited") resolve({ is: "exited", id });
    });
    const hung = setTimeout(() => resolve({ is: "hung", id }), HUNG_MS);
    await this.#client.request({ kind: "run", id, sandbox: "", stdio, log, plan, cleanup });
    const outcome = await promise;
    clearTimeout(hung);
    stop();
    return outcome;
  }

  /** Ends a container and drops its record. Resolves with what is left of it. */
  async end({ id, is }: Outcome): Promise<string[]> {
    if (is === "running" || is === "hung") await this.#client.request({ kind: "kill", id }).catch(() => {});
    const isGone = async () => {
      const found = (await this.#client.list()).containers.find((container) => container.id === id);
      return found === undefined || found.state === 3 || found.state === 4;
    };
    await eventually(isGone, `${id} to be gone`);
    await this.#client.request({ kind: "forget", id }).catch(() => {});
    const { directory } = this.#places.get(id) ?? {};
    if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
    this.#places.delete(id);
    return (await this.#cgroups.existing()).has(id) ? [`cgroup ${id}`] : [];
  }
}

/** Where the fields of a table file's header are. */
async function headerOffsets(): Promise<Map<string, { at: number; type: string }>> {
  const { sections, header } = await readTables();
  const pairs = Object.keys(sections).flatMap((name) => [`${name}_at`, `${name}_count`]);
  const fields = [
    ["magic", "u64"],
    ...["version", "size", ...pairs].map((name) => [name, "u32"]),
    ...Object.entries(header),
  ];
  let next = 0;
  return new Map(
    fields.map(([name = "", type = ""]) => {
      const at = next;
      next += type === "u64" ? 8 : 4;
      return [name, { at, type }];
    }),
  );
}

const CONFINEMENT =
  /^(Seccomp|Seccomp_filters|NoNewPrivs|CapInh|CapPrm|CapEff|CapBnd|CapAmb|Uid|Gid|Groups|SigBlk|SigIgn|SigCgt):.*$/gm;

/** What each thread of a process may do, by its id in the container. */
export function confinement(pid: number): Record<string, string[]> {
  const tasks = readdirSync(`/proc/${pid}/task`).map((tid) => readFileSync(`/proc/${pid}/task/${tid}/status`, "utf8"));
  return Object.fromEntries(
    tasks.map((status) => [/^NSpid:.*\t(\d+)$/m.exec(status)?.[1] ?? "", status.match(CONFINEMENT) ?? []]),
  );
}

/** The same, when it is as expected or is not soon: threads leave the restorer one after another. */
export async function confinementLike(pid: number, expected: Record<string, string[]>) {
  const wanted = JSON.stringify(expected);
  const end = performance.now() + HUNG_MS / 4;
  while (JSON.stringify(confinement(pid)) !== wanted && performance.now() < end) await Bun.sleep(2);
  return confinement(pid);
}

async function eventually(is: () => Promise<boolean>, what: string): Promise<void> {
  const end = performance.now() + HUNG_MS;
  while (!(await is())) {
    if (performance.now() > end) throw new Error(`waited in vain for ${what}`);
    await Bun.sleep(5);
  }
}
