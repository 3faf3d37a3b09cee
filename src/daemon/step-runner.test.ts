import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { thawPaths } from "../common/paths.ts";
import type { LauncherClient } from "../launcher/index.ts";
import { Cgroups, detectCgroups } from "../sandbox/index.ts";
import { ContainerStepRunner } from "./step-runner.ts";

const directory = mkdtempSync(join(tmpdir(), "thaw-test-"));
afterAll(() => rmSync(directory, { recursive: true }));

test("nothing runs before its output is attached to", async () => {
  const paths = thawPaths({
    THAW_DATA: join(directory, "data"),
    THAW_RUN: join(directory, "run"),
    THAW_CACHE: join(directory, "cache"),
  });
  const asked: string[] = [];
  const launcher = {
    attach: async () => {
      await Bun.sleep(20);
      asked.push("attached");
      throw new Error("the connection broke");
    },
    request: async ({ kind }: { kind: string }) => {
      asked.push(kind);
      return 0n;
    },
    onEvent: () => () => undefined,
    onReconnect: () => () => undefined,
  };
  const runner = new ContainerStepRunner({
    // The two calls that a step makes, and what waits for its end.
    launcher: launcher as unknown as LauncherClient,
    cgroups: new Cgroups(detectCgroups(), paths.run),
    paths,
  });
  const step = {
    lowers: ["/usr"],
    upper: "/u",
    work: "/w",
    argv: ["true"],
    env: [],
    cwd: "/",
    user: "",
    onOutput() {},
  };
  await expect(runner.run(step)).rejects.toThrow("the connection broke");
  expect(asked).toEqual(["attached"]);
});
