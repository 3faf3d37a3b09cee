/**
 * A container's cgroup leaves: where they are, what makes, limits and removes them. One interface over v1, hybrid and
 * v2; which of them it is was seen by detect.ts. All leaves of one daemon are below `thaw-<instance>`, so that daemons
 * with different directories do not disturb each other and what is left over after a crash is known by its path.
 *
 * On v1 every hierarchy that a container joins costs its start. Freezing, devices and pids are needed always, memory
 * and cpuacct are what `thaw stats` reads, and a group in cpu keeps one container's hundred threads from taking the
 * share of all others. A leaf of its own in cpuset or blkio is for those who ask for such a limit; in cpuset the others
 * share one, because programs (the JVM) look for that controller's files before they believe in any limit.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { mkdir, readdir, readFile, rmdir, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { errnoOf, ThawError } from "../../common/errors.ts";
import type { HostOp } from "../../launcher/generated/protocol.ts";
import { DEVICE_RULES } from "../tables.ts";
import { BUILT_IN_V2, type CgroupLayout, type Controller, type Hierarchy, nameOnV2 } from "./detect.ts";
import type { CgroupLimits } from "./limits.ts";
import { LimitsMachine } from "./machine.ts";
import { type Setting, settingsV1, settingsV2, wantedControllers } from "./settings.ts";

const ALWAYS: readonly Controller[] = ["cpu", "cpuacct", "memory", "pids", "freezer", "devices"];
/** The leaf in v1's cpuset of all containers that did not ask for one. */
const SHARED_LEAF = "all";
const NO_LIMITS: CgroupLimits = { memory: undefined, nanoCpus: undefined, pids: undefined };

/** A leaf as the container that is in it sees it. */
export interface ShownLeaf {
  /** Of its tree: "memory", "cpu,cpuacct". */
  readonly name: string;
  readonly path: string;
}

/** The cgroups of one daemon's containers on a machine. */
export class Cgroups {
  readonly layout: CgroupLayout;
  /** `thaw-` and 8 hex digits that belong to the run directory. */
  readonly parent: string;
  readonly #machine: LimitsMachine;

  constructor(layout: CgroupLayout, runDirectory: string) {
    this.layout = layout;
    this.parent = `thaw-${createHash("sha256").update(runDirectory).digest("hex").slice(0, 8)}`;
    this.#machine = new LimitsMachine(layout, (controller) => {
      const mount = this.#tree(controller)?.mount;
      return mount && join(mount, this.parent);
    });
  }

  /** Whether this machine can keep the limits. @throws ThawError INVALID, PATH_NOT_FOUND, UNSUPPORTED_MACHINE. */
  check(limits: CgroupLimits): void {
    this.#machine.check(limits);
  }

  /** The leaves that a container with these limits joins, one a hierarchy. */
  leaves(id: string, limits: CgroupLimits = NO_LIMITS): string[] {
    const joined = [...ALWAYS, ...wantedControllers(limits)];
    const trees = this.layout.hierarchies.filter(({ controllers }) =>
      controllers.some((name) => joined.includes(name)),
    );
    return trees.map(({ mount }) => join(mount, this.parent, id));
  }

  /** The leaf in the tree of one controller, whether it is there or not; undefined when the machine has no such tree. */
  leaf(id: string, controller: Controller): string | undefined {
    const mount = this.#tree(controller)?.mount;
    return mount && join(mount, this.parent, id);
  }

  /** The directory of leaves that allow more devices than usual: one where the v1 devices controller is, else none. */
  wideParents(): string[] {
    const mount = this.layout.version === 1 ? this.#tree("devices")?.mount : undefined;
    return mount === undefined ? [] : [join(mount, `${this.parent}-devices`)];
  }

  #parents(): string[] {
    return [...this.layout.hierarchies.map(({ mount }) => join(mount, this.parent)), ...this.wideParents()];
  }

  /** Operations that make the leaves of a container with these limits, so that it can join them. */
  make(id: string, limits: CgroupLimits = NO_LIMITS): HostOp[] {
    return [
      ...this.leaves(id, limits).map((path): HostOp => ({ kind: "cgroup_make", path })),
      ...this.#sharedLeaves(limits).map((path): HostOp => ({ kind: "cgroup_open", path })),
      ...this.#set(
        id,
        this.settings(limits).filter((setting) => this.#isFirst(setting)),
      ),
    ];
  }

  /** Operations that set a container's limits; the leaves are there, and may be joined already. */
  limit(id: string, limits: CgroupLimits): HostOp[] {
    const memory = this.layout.version === 1 ? this.leaf(id, "memory") : undefined;
    return [
      ...this.#set(
        id,
        this.settings(limits).filter((setting) => !this.#isFirst(setting)),
      ),
      // Without a limit too: one may be given later.
      ...(memory === undefined ? [] : [{ kind: "oom_watch", path: memory } as const]),
    ];
  }

  /** Nobody can join a v1 cpuset that is empty. */
  #isFirst({ controller }: Setting): boolean {
    return controller === "cpuset" && this.layout.version === 1;
  }

  #set(id: string, settings: readonly Setting[]): HostOp[] {
    return settings.flatMap(({ controller, file, value }): HostOp[] => {
      const leaf = this.leaf(id, controller);
      return leaf ? [{ kind: "cgroup_set", path: join(leaf, file), value }] : [];
    });
  }

  /** What a container is shown of its cgroups, by the names of the trees: the leaves that it is in. */
  view(id: string, limits: CgroupLimits): ShownLeaf[] {
    const paths = [...this.leaves(id, limits), ...this.#sharedLeaves(limits)];
    return paths.map((path) => ({ name: basename(dirname(dirname(path))), path }));
  }

  /** Leaves that are there for all. They are empty files to who looks into them: pids of other namespaces are hidden. */
  #sharedLeaves(limits: CgroupLimits): string[] {
    if (this.layout.version === 2 || wantedControllers(limits).includes("cpuset")) return [];
    const leaf = this.leaf(SHARED_LEAF, "cpuset");
    return leaf ? [leaf] : [];
  }

  /** Operations that kill what is left in a container's leaves and remove them. */
  remove(id: string): HostOp[] {
    return this.layout.hierarchies.map(({ mount }) => ({ kind: "cgroup_remove", path: join(mount, this.parent, id) }));
  }

  /** What the limits are in this world's files, in the order for a fresh leaf; of controllers that are there. */
  settings(limits: CgroupLimits): Setting[] {
    const settings = this.layout.version === 2 ? settingsV2(limits, this.#machine) : settingsV1(limits, this.#machine);
    // In the order of the trees, so that each tree's are together.
    return this.layout.hierarchies.flatMap(({ controllers }) =>
      settings.filter(({ controller }) => controllers.includes(controller)),
    );
  }

  /** Bytes of memory, page cache included, that a container holds; 0 when it has no leaf. */
  memoryBytes(id: string): number {
    const leaf = this.leaf(id, "memory");
    if (!leaf) return 0;
    const file = this.layout.version === 2 ? "memory.current" : "memory.usage_in_bytes";
    try {
      return Number(readFileSync(join(leaf, file), "utf8"));
    } catch {
      return 0;
    }
  }

  /** Makes the parents of all leaves. Harmless when they exist. @throws ThawError NOT_PERMITTED, UNSUPPORTED_MACHINE. */
  async prepare(): Promise<void> {
    for (const tree of this.layout.hierarchies) {
      try {
        await this.#prepareParent(tree);
      } catch (error) {
        throw new ThawError("UNSUPPORTED_MACHINE", `cannot make a cgroup under ${tree.mount}: ${String(error)}`, {
          hint: "Run thaw as root on a machine whose /sys/fs/cgroup is writable.",
          cause: error,
        });
      }
    }
  }

  async #prepareParent({ mount, controllers }: Hierarchy): Promise<void> {
    const parent = join(mount, this.parent);
    if (this.layout.version === 2) await enableControllers(mount, controllers);
    await mkdir(parent, { recursive: true });
    if (this.layout.version === 2) await enableControllers(parent, controllers);
    else if (controllers.includes("devices")) await restrictDevices(parent);
    if (this.layout.version === 2 || !controllers.includes("cpuset")) return;
    await fillCpuset(mount, parent);
    await mkdir(join(parent, SHARED_LEAF), { recursive: true });
    await fillCpuset(parent, join(parent, SHARED_LEAF));
  }

  /** Names of the leaves that exist, of any container of this daemon. */
  async existing(): Promise<Set<string>> {
    const names = new Set<string>();
    for (const parent of this.#parents()) {
      const entries = await readdir(parent, { withFileTypes: true }).catch(() => []);
      for (const entry of entries) if (entry.isDirectory()) names.add(entry.name);
    }
    names.delete(SHARED_LEAF);
    return names;
  }

  /** Removes the parents when no container has a leaf in them. */
  async removeParents(): Promise<void> {
    for (const path of this.#parents().flatMap((parent) => [join(parent, SHARED_LEAF), parent])) {
      await rmdir(path).catch((error: unknown) => {
        if (!["ENOENT", "EBUSY", "ENOTEMPTY"].includes(errnoOf(error) ?? "")) throw error;
      });
    }
  }

  #tree(controller: Controller): Hierarchy | undefined {
    return this.layout.hierarchies.find(({ controllers }) => controllers.includes(controller));
  }
}

/** Each by itself: one that the machine lacks does not keep the others from being enabled. */
async function enableControllers(directory: string, controllers: readonly Controller[]): Promise<void> {
  for (const controller of controllers.filter((name) => !BUILT_IN_V2.includes(name))) {
    await writeFile(join(directory, "cgroup.subtree_control"), `+${nameOnV2(controller)}`).catch(() => {});
  }
}

/** Leaves inherit the rules when they are made. Rules can only be taken away while there is no leaf. */
async function restrictDevices(parent: string): Promise<void> {
  const rules = await readFile(join(parent, "devices.list"), "utf8");
  if (!rules.startsWith("a ")) return;
  await writeFile(join(parent, "devices.deny"), "a");
  for (const rule of DEVICE_RULES) await writeFile(join(parent, "devices.allow"), rule);
}

/** A v1 cpuset is made empty, and an empty one cannot be given to those below. */
async function fillCpuset(mount: string, parent: string): Promise<void> {
  for (const file of ["cpuset.cpus", "cpuset.mems"]) {
    if ((await readFile(join(parent, file), "utf8")).trim() !== "") continue;
    await writeFile(join(parent, file), await readFile(join(mount, file), "utf8"));
  }
}
