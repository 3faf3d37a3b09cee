/** The program that judges its own restore, compiled from tests/fixtures into a soaked daemon's root, and asked. */
import { chmod, mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { ContainerDetails } from "../../api/containers.ts";
import { ThawError } from "../../common/errors.ts";
import { execOk } from "../../common/exec.ts";
import { exchange } from "../ask.ts";
import type { Home } from "./home.ts";

const PARTS = ["judge", "selfcheck"];
const PORT = 8000;
const READY_TRIES = 200;
const READY_POLL_MS = 10;

const networksSchema = z.record(z.string(), z.object({ IPAddress: z.string() }));

/** What it is started with: several of them at a time leave each other some of the processors. */
export const JUDGE_ARGV = ["/bin/selfcheck", String(PORT), "-registers-computing", "+registers-napping"];

/** Compiles it. @throws ThawError PATH_NOT_FOUND when `project` has no tests/fixtures, DEPENDENCY_MISSING without gcc. */
export async function makeJudge({ root }: Home, project: string): Promise<void> {
  const fixtures = join(project, "tests", "fixtures");
  const sources: string[] = [];
  for (const part of PARTS) {
    const files = await readdir(join(fixtures, part)).catch((cause: unknown) => {
      throw new ThawError("PATH_NOT_FOUND", `there is no ${join(fixtures, part)}`, {
        hint: "Run it in thaw's own directory, or say where that is: --root DIRECTORY.",
        cause,
      });
    });
    sources.push(...files.filter((file) => file.endsWith(".c")).map((file) => join(fixtures, part, file)));
  }
  const include = `-I${join(fixtures, "judge")}`;
  await execOk([
    "gcc",
    "-std=gnu11",
    "-O2",
    "-static",
    "-pthread",
    include,
    "-o",
    join(root, "bin/selfcheck"),
    ...sources,
  ]);
  await mkdir(join(root, "run"), { recursive: true });
  await chmod(join(root, "tmp"), 0o1777);
}

/** What it finds wrong with itself; undefined when nothing is. @throws ThawError NOT_READY when it does not answer. */
export async function judgeSelf({ client }: Home, container: string): Promise<string | undefined> {
  const details = await client.json<ContainerDetails>("containerInspect", { params: { id: container } });
  const networks = Object.values(networksSchema.parse(details.NetworkSettings.Networks));
  const address = networks[0]?.IPAddress ?? "";
  const { text } = await exchange(address, PORT, "check\n");
  return /^ok \d+\n$/.test(text) ? undefined : text.trimEnd();
}

/** Resolves when it has judged itself for the first time. @throws ThawError NOT_READY with what is wrong already. */
export async function firstJudgement(home: Home, container: string): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      const wrong = await judgeSelf(home, container);
      if (wrong === undefined) return;
      throw new ThawError("INTERNAL", `the program is not itself before any restore: ${wrong}`);
    } catch (error) {
      if (tries === READY_TRIES || (error instanceof ThawError && error.code === "INTERNAL")) throw error;
      await Bun.sleep(READY_POLL_MS);
    }
  }
}
