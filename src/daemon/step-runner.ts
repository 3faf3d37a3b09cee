/**
 * RUN steps of builds, in containers like any other: an own sandbox, the usual capabilities, the host's network and
 * its resolver. The step's output is followed live; the container leaves no record, only its writable layer.
 */
import { randomBytes } from "node:crypto";
import { realpathSync } from "node:fs";
import { StdcopyReader } from "../api/stdcopy.ts";
import type { Paths } from "../common/paths.ts";
import { exitCodeOf } from "../container/index.ts";
import type { RunStep, StepRunner } from "../image/index.ts";
import { Stdio } from "../launcher/generated/protocol.ts";
import { type LauncherClient, type LauncherStream, runToEnd } from "../launcher/index.ts";
import { initLayerDir } from "../rootfs/index.ts";
import {
  type Cgroups,
  cleanupPlan,
  DEFAULT_CAPABILITIES,
  lookupUser,
  type SandboxBind,
  SeccompFilters,
  startPlan,
} from "../sandbox/index.ts";

const RESOLVER = "/etc/resolv.conf";
const NO_LIMITS = { memory: undefined, nanoCpus: undefined, pids: 32_768 };

export interface StepRunnerParts {
  readonly launcher: LauncherClient;
  readonly cgroups: Cgroups;
  readonly paths: Paths;
}

export class ContainerStepRunner implements StepRunner {
  readonly #parts: StepRunnerParts;
  readonly #filters: SeccompFilters;

  constructor(parts: StepRunnerParts) {
    this.#parts = parts;
    this.#filters = new SeccompFilters(parts.paths);
  }

  async run(step: RunStep): Promise<{ exitCode: number }> {
    const { launcher, cgroups } = this.#parts;
    const id = `build-${randomBytes(16).toString("hex")}`;
    const kill = () => void launcher.request({ kind: "kill", id }).catch(() => undefined);
    step.signal?.throwIfAborted();
    const plan = await this.#plan(id, step);
    // Attached before it runs, so that no output is missed: the launcher waits for a container of that id.
    const stream = await launcher.attach(id, { stdin: false, stdout: true, stderr: true });
    const copied = copyOutput(stream, step);
    copied.catch(() => undefined);
    step.signal?.addEventListener("abort", kill, { once: true });
    try {
      step.signal?.throwIfAborted();
      const cleanup = cleanupPlan(cgroups, id);
      const run = { kind: "run", id, sandbox: "", stdio: Stdio.pipes, log: "", plan, cleanup } as const;
      const { waitStatus } = await runToEnd(launcher, run);
      await copied;
      return { exitCode: exitCodeOf(waitStatus) };
    } finally {
      step.signal?.removeEventListener("abort", kill);
      stream.close();
    }
  }

  async #plan(id: string, step: RunStep) {
    const lowers = [...step.lowers, await initLayerDir(this.#parts.paths)];
    const sandbox = {
      id,
      cgroups: this.#parts.cgroups,
      limits: NO_LIMITS,
      lowers,
      upper: step.upper,
      work: step.work,
      hostname: "build",
      network: "host",
      binds: resolverBind(),
      // Written files would be part of the image.
      keepEtc: true,
    } as const;
    const user = lookupUser(step.user, [step.upper, ...step.lowers]);
    const filter = await this.#filters.of("default", DEFAULT_CAPABILITIES);
    return startPlan(sandbox, { argv: step.argv, env: step.env, cwd: step.cwd, user, tty: false, filter });
  }
}

/** The machine's resolver configuration, wherever it really is. */
function resolverBind(): SandboxBind[] {
  try {
    return [{ source: realpathSync(RESOLVER), target: RESOLVER, readonly: true }];
  } catch {
    return [];
  }
}

async function copyOutput(stream: LauncherStream, step: RunStep): Promise<void> {
  const reader = new StdcopyReader((_, bytes) => step.onOutput(bytes));
  for await (const chunk of stream.output()) reader.push(chunk);
}
