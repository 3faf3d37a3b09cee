import { afterEach, describe, expect, test } from "bun:test";
import type { Subprocess } from "bun";
import { containerProcesses, stdioPipes } from "./processes.ts";

const started: Subprocess[] = [];

/** A shell as pid 1 of its own pid namespace; resolves when it has printed a line. */
async function inNamespace(script: string): Promise<number> {
  const child = Bun.spawn(["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", script], {
    stdout: "pipe",
    stderr: "inherit",
  });
  started.push(child);
  for await (const chunk of child.stdout) {
    if (new TextDecoder().decode(chunk).includes("up")) break;
  }
  const children = await Bun.file(`/proc/${child.pid}/task/${child.pid}/children`).text();
  return Number(children.trim().split(" ")[0]);
}

afterEach(async () => {
  for (const child of started.splice(0)) {
    child.kill("SIGKILL");
    await child.exited;
  }
});

describe("containerProcesses", () => {
  test("tells main's own tree from strays, and skips the init", async () => {
    const init = await inNamespace("sh -c 'sleep 60 & sleep 61 & wait' & sleep 62 & sleep 0.2; echo up; wait");
    const children = (await Bun.file(`/proc/${init}/task/${init}/children`).text()).trim().split(" ").map(Number);
    const main = children[0] ?? 0;
    const found = await containerProcesses(main);
    expect(found.mainInside).toBeGreaterThan(1);
    expect(found.tree).toHaveLength(3);
    expect(found.strays).toHaveLength(1);
    expect(found.strays[0]).toMatch(/^sleep \(\d+\)$/);
  });

  test("a process that is gone is WRONG_STATE", async () => {
    await expect(containerProcesses(0x3ffffe)).rejects.toMatchObject({ code: "WRONG_STATE" });
  });
});

describe("stdioPipes", () => {
  test("names pipes and nothing else", async () => {
    const init = await inNamespace("sh -c 'sleep 60 | sleep 61 2>/dev/null' & sleep 0.2; echo up; wait");
    const { tree } = await containerProcesses(init);
    const streams = await Promise.all(tree.map((pid) => stdioPipes(pid)));
    const writer = streams.find(([stdin, stdout]) => stdin === null && stdout !== null);
    expect(writer?.[1]).toMatch(/^pipe:\[\d+\]$/);
    const reader = streams.find(([stdin]) => stdin === writer?.[1]);
    expect(reader?.[2]).toBeNull();
  });
});
