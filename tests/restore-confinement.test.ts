/**
 * What holds of a process holds of each of its threads after a restore: the seccomp filter, no_new_privs, capabilities,
 * users and groups, and what else the process says of itself; restored directly and out of a memory template.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, statSync } from "node:fs";
import { join } from "node:path";
import type { ReadyCheckpoint } from "../src/checkpoint/index.ts";
import type { ContainerSpec } from "../src/container/types.ts";
import { Stdio } from "../src/launcher/generated/protocol.ts";
import { findCriu, Machine } from "./support/machine.ts";
import { confinement, confinementLike, type How, installIngredients, Restores } from "./support/restore-plans.ts";

const criu = await findCriu();
if (typeof criu === "string") console.log(`skipped: checkpoints need a working CRIU: ${criu}`);

const NO_PTRACE = JSON.stringify({
  defaultAction: "SCMP_ACT_ALLOW",
  syscalls: [{ names: ["ptrace", "keyctl"], action: "SCMP_ACT_ERRNO" }],
});

describe.skipIf(typeof criu === "string")("a restored process is confined as it was", () => {
  let machine: Machine;
  let restores: Restores;

  beforeAll(async () => {
    if (typeof criu === "string") return;
    machine = await Machine.start(criu);
    await installIngredients(machine);
    restores = new Restores(machine);
  });

  afterAll(async () => {
    if (typeof criu !== "string") expect(await machine.close()).toEqual([]);
  });

  interface Before {
    readonly ready: ReadyCheckpoint;
    readonly report: string;
    readonly confinement: Record<string, string[]>;
  }

  async function dumped(name: string, changes: Partial<ContainerSpec>, ...args: string[]): Promise<Before> {
    const { containers, checkpoints } = machine.daemon;
    const id = await restores.start(name, changes, ...args);
    const before = { report: await restores.report(id), confinement: confinement(containers.get(id).pid) };
    await checkpoints.create(id, name);
    await containers.remove(id);
    return { ready: await checkpoints.prepare(name), ...before };
  }

  /** Restores it in both ways. */
  async function expectSame({ ready, report, confinement: wanted }: Before, how: How = {}): Promise<void> {
    const template = await restores.template(ready, how);
    expect(template.is).toBe("running");
    for (const way of [{}, { template: template.id }, { template: template.id }]) {
      const outcome = await restores.restore(ready, { ...how, ...way });
      if (outcome.is !== "running") throw new Error(JSON.stringify(outcome));
      expect(await restores.report(outcome.id)).toBe(report);
      expect(await confinementLike(outcome.pid, wanted)).toEqual(wanted);
      expect(await restores.end(outcome)).toEqual([]);
    }
    expect(await restores.end(template)).toEqual([]);
  }

  function fieldOf({ confinement: all }: Before, field: string): string[] {
    return Object.values(all).map((lines) => lines.find((line) => line.startsWith(`${field}:`))?.split("\t")[1] ?? "");
  }

  test("root with the usual confinement", async () => {
    const before = await dumped("usual", {});
    expect(Object.keys(before.confinement).length).toBe(4);
    expect(fieldOf(before, "Seccomp")).toEqual(["2", "2", "2", "2"]);
    expect(fieldOf(before, "NoNewPrivs")).toEqual(["1", "1", "1", "1"]);
    await expectSame(before);
  });

  test("without no_new_privs: filters that only a capability can install, which nobody keeps", async () => {
    const before = await dumped("privileges", { isolation: { noNewPrivileges: false, capDrop: ["MKNOD"] } });
    expect(fieldOf(before, "NoNewPrivs")).toEqual(["0", "0", "0", "0"]);
    expect(fieldOf(before, "Seccomp_filters")).toEqual(["1", "1", "1", "1"]);
    await expectSame(before);
  });

  test("a profile of the user's, and no filter at all", async () => {
    await expectSame(await dumped("profile", { security: { seccomp: { profile: NO_PTRACE } } }));
    const free = await dumped("free", { security: { seccomp: "unconfined" }, isolation: { capAdd: ["SYS_PTRACE"] } });
    expect(fieldOf(free, "Seccomp")).toEqual(["0", "0", "0", "0"]);
    await expectSame(free);
  });

  test("a process that nobody may trace", async () => {
    const before = await dumped("undumpable", {}, "undumpable");
    expect(before.report).toContain("dumpable=0");
    await expectSame(before);
  });

  test("another user", async () => {
    await expectSame(await dumped("user", { user: "1000:1000", isolation: { groupAdd: ["2000", "3000"] } }));
  });

  test("another user with groups, from tables of root's dump", async () => {
    const before = await dumped("becoming", {});
    const user = { uid: 1000, euid: 1000, suid: 1000, fsuid: 1000, gid: 1001, egid: 1001, sgid: 1001, fsgid: 1001 };
    const rights = { effective: 0, permitted: 0, ambient: 0 };
    for (const noNewPrivs of [true, false]) {
      const lines = (all: string[]) =>
        all
          .map((line) =>
            line.replace(/^Uid:.*/, `Uid:${"\t1000".repeat(4)}`).replace(/^Gid:.*/, `Gid:${"\t1001".repeat(4)}`),
          )
          .map((line) =>
            line
              .replace(/^Groups:.*/, "Groups:\t20 2000 3000 ")
              .replace(/^(Cap(Prm|Eff)):.*/, `$1:\t${"0".repeat(16)}`),
          )
          .map((line) => line.replace(/^NoNewPrivs:.*/, `NoNewPrivs:\t${noNewPrivs ? 1 : 0}`));
      const wanted = Object.fromEntries(Object.entries(before.confinement).map(([tid, all]) => [tid, lines(all)]));
      const report = before.report
        .replace(/uid=\S+ gid=\S+ groups=/, "uid=1000,1000,1000 gid=1001,1001,1001 groups=20,2000,3000,")
        .replace(/nnp=\d/, `nnp=${noNewPrivs ? 1 : 0}`);
      await expectSame(
        { ready: before.ready, report, confinement: wanted },
        {
          tables: await restores.rewrite(
            before.ready,
            { ...user, ...rights, no_new_privs: Number(noNewPrivs) },
            [20, 2000, 3000],
          ),
        },
      );
    }
  });

  test("a stream that is connected to nothing is the container's /dev/null, and the host's stays root's", async () => {
    const { ready } = await dumped("silent", {});
    const tables = await restores.rewrite(ready, { uid: 1000, euid: 1000, suid: 1000, fsuid: 1000 }, []);
    const template = await restores.template(ready, { tables });
    for (const way of [{}, { template: template.id }]) {
      const outcome = await restores.restore(ready, { ...way, tables, stdio: Stdio.none });
      if (outcome.is !== "running") throw new Error(JSON.stringify(outcome));
      const inside = statSync(`/proc/${outcome.pid}/root/dev/null`, { bigint: true });
      const stdout = statSync(`/proc/${outcome.pid}/fd/1`, { bigint: true });
      expect([stdout.dev, stdout.ino]).toEqual([inside.dev, inside.ino]);
      expect(statSync("/dev/null").uid).toBe(0);
      await restores.end(outcome);
    }
    await restores.end(template);
  });

  test("a link or a FIFO in the place of a file is not gone through, and not waited for", async () => {
    const { ready } = await dumped("placed", {});
    const upper = join(machine.paths.run, "other-upper");
    mkdirSync(join(upper, "data"), { recursive: true });
    for (const make of [
      ["ln", "-s", "/etc", join(upper, "data/file")],
      ["mkfifo", join(upper, "data/file")],
    ]) {
      Bun.spawnSync(["rm", "-f", join(upper, "data/file")]);
      expect(Bun.spawnSync(make).exitCode).toBe(0);
      const { lowers } = ready.restoredSpec;
      const changed = { ...ready, restoredSpec: { ...ready.restoredSpec, lowers: [upper, ...lowers] } };
      const outcome = await restores.restore(changed);
      expect(outcome).toMatchObject({ is: "failed", detail: expect.stringMatching(/^opening file \d+$/) });
      expect(await restores.end(outcome)).toEqual([]);
    }
  });

  test("a filter of the program's own that forbids what a restore needs leaves it to CRIU, with the reason", async () => {
    const { containers, checkpoints } = machine.daemon;
    const id = await restores.start("own-filter", {}, "no-futex");
    const info = await checkpoints.create(id, "own-filter");
    expect(info).toMatchObject({
      engine: "criu",
      reasons: ["seccomp: the filter forbids futex(FUTEX_WAIT), which a restore needs"],
    });
    await containers.remove(id);
  });
});
