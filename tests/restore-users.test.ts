/**
 * Services whose processes are not root's: asleep in each tier they come back as who they were, also where root has no
 * CAP_SYS_RESOURCE, and with processes of several users.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { copyFileSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { chmod } from "node:fs/promises";
import { join } from "node:path";
import { Installed } from "./support/installed.ts";
import { findCriu, freePort } from "./support/machine.ts";
import { makePerlRoot } from "./support/perl-root.ts";
import { until } from "./support/world.ts";

const criu = await findCriu();
const why = typeof criu === "string" ? ` (${criu})` : "";
const installed = new Installed();

beforeAll(async () => {
  if (why !== "") return;
  const context = join(installed.directory, "users");
  await makePerlRoot(context);
  await chmod(join(context, "tmp"), 0o1777);
  copyFileSync(new URL("support/users.pl", import.meta.url), join(context, "users.pl"));
  const lines = ["FROM scratch", "COPY . /", "USER 1000:1001", 'CMD ["/usr/bin/perl", "/users.pl"]'];
  writeFileSync(join(context, "Dockerfile"), `${lines.join("\n")}\n`);
  expect(await installed.thaw("build", "-t", "users", context)).toMatchObject({ exitCode: 0 });
});

afterAll(async () => {
  await installed.thaw("daemon", "stop", "--force");
  await until(() => installed.pids().length === 0);
  expect(await installed.leftovers()).toEqual([]);
  installed.remove();
});

const TOLD = /^(Uid|Gid|Groups|NoNewPrivs|Seccomp|Cap\w+):.*$/gm;

/** What the kernel says of each process of a container, by its pid in it. */
function told(main: number): Record<string, unknown> {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  const all = pids.map((pid) => ({ pid, status: read(pid, "status") }));
  const ours = all.filter(({ pid, status }) => pid === `${main}` || status.includes(`\nPPid:\t${main}\n`));
  return Object.fromEntries(
    ours.map(({ pid, status }) => {
      const inside = /^NSpid:.*\t(\d+)$/m.exec(status)?.[1] ?? "";
      return [inside, { status: status.match(TOLD), limits: read(pid, "limits") }];
    }),
  );
}

function read(pid: string, name: string): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, "utf8");
  } catch {
    return ""; // It has ended meanwhile.
  }
}

interface Seen {
  readonly processes: Record<string, unknown>;
  readonly engine: string;
  readonly tier: string;
}

/** Makes a service, wakes it once, looks at it, and removes it. */
async function wake(service: readonly string[], thaw: string, owner: string): Promise<Seen> {
  const port = await freePort();
  const file = join(installed.directory, "compose.yaml");
  const lines = [...service, `ports: ["127.0.0.1:${port}:8000"]`, `x-thaw: ${thaw}`].map((line) => `    ${line}\n`);
  writeFileSync(file, `name: users\nservices:\n  web:\n    image: users\n${lines.join("")}`);
  const up = await installed.thaw("up", "-f", file);
  expect([up.exitCode, up.stdout]).toEqual([0, expect.stringContaining("asleep")]);
  const get = async (path: string) => (await fetch(`http://127.0.0.1:${port}${path}`)).text();
  expect([await get("/hello"), await get("/write")]).toEqual(["/hello", owner]);
  const [{ engine, tier, lastWake }] = JSON.parse((await installed.thaw("services", "--json")).stdout);
  expect(lastWake).toMatchObject({ result: "restored", detail: "" });
  const [{ State }] = JSON.parse((await installed.thaw("inspect", "users-web")).stdout);
  const processes = told(State.Pid);
  const logged = async () => await installed.thaw("logs", "users-web");
  await until(async () => (await logged()).stderr.includes("error /write\n"));
  expect((await logged()).stdout).toContain("/hello\n/write\n");
  expect(await installed.thaw("down", "-f", file)).toMatchObject({ exitCode: 0 });
  return { processes, engine, tier };
}

const TIERS = ["disk", "template", "parked"];

test.skipIf(why !== "").each([
  ["of its image", [], "1000:1001", "1000"],
  ["of the compose file, with groups", ['user: "1234:1235"', "group_add: [2000, 3000]"], "1234:1235", "1234"],
] as const)(
  `a service is the user's that it was, in each tier: %s${why}`,
  async (_, service, owner, uid) => {
    const cold = await wake(service, "{ idle: 0s, checkpoint: never }", owner);
    expect(JSON.stringify(cold.processes)).toContain(`"Uid:${`\\t${uid}`.repeat(4)}"`);
    for (const tier of TIERS) {
      const woken = await wake(service, `{ idle: 0s, checkpoint: ready, tier: ${tier} }`, owner);
      expect(woken).toEqual({ processes: cold.processes, engine: "thaw", tier });
    }
  },
  60_000,
);

test.skipIf(why !== "")(
  `processes of several users are dumped and come back as whose they were, with their limits${why}`,
  async () => {
    const service = ['user: "0"', 'command: ["/usr/bin/perl", "/users.pl", "tree"]'];
    const cold = await wake(service, "{ idle: 0s, checkpoint: never }", "0:0");
    expect(Object.keys(cold.processes).length).toBe(3);
    for (const text of ["Uid:\\t33\\t", "Uid:\\t0\\t", "Uid:\\t1000\\t"])
      expect(JSON.stringify(cold.processes)).toContain(text);
    expect(JSON.stringify(cold.processes)).toMatch(/Max open files +200 +400 /);
    for (const tier of TIERS.filter((name) => name !== "template")) {
      const woken = await wake(service, `{ idle: 0s, checkpoint: ready, tier: ${tier} }`, "0:0");
      expect(woken).toEqual({ processes: cold.processes, engine: "criu", tier });
    }
  },
  60_000,
);
