/**
 * Dumping a running container with CRIU. The writable layer is copied before; the processes stay stopped after the dump
 * until the copy is brought up to date, so that memory and files are of one moment. Then they go on or are killed by
 * whoever asked. On any failure they go on as if nothing had been.
 */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf, ThawError } from "../../common/errors.ts";
import type { Container } from "../../container/types.ts";
import { Stdio } from "../../launcher/generated/protocol.ts";
import { type LauncherClient, runToEnd } from "../../launcher/index.ts";
import type { CriuProgram } from "../criu/program.ts";
import { connectionsLost, notRestorable } from "../refusals.ts";
import { type Clocks, readClocks } from "./clocks.ts";
import { unkeptConnections } from "./connections.ts";
import { type Connections, type CriuDump, dumpPlan } from "./criu-plan.ts";
import { checkKdat } from "./kdat.ts";
import { LayerCopy } from "./layer.ts";
import { processesToDump } from "./leftovers.ts";
import { criuErrors } from "./log.ts";
import { resume, type StdioPipes, sharedWritable, stdioPipes, terminalOf } from "./processes.ts";
import { dumpId } from "./recover.ts";
import { parseDumpStats } from "./stats.ts";
import { unsafeLive } from "./unsafe-live.ts";

export interface DumpRequest {
  readonly client: LauncherClient;
  readonly program: CriuProgram;
  readonly container: Container;
  /** The container's writable layer. */
  readonly upper: string;
  /** What becomes of established TCP connections; default: they are closed when it is restored. */
  readonly connections?: Connections | undefined;
  /** Directory of the pending checkpoint, with `images/` and `upper/`. */
  readonly directory: string;
}

export interface Dumped {
  readonly mainPid: number;
  readonly stdio: StdioPipes;
  readonly terminal?: string | undefined;
  readonly connections?: Connections | undefined;
  /** What its clocks said then. */
  readonly clocks?: Clocks | undefined;
  /** How long the processes stood still: CRIU's own measure plus the copy of the writable layer. */
  readonly frozenMs: number;
}

/**
 * Dumps into `directory`. When it returns the processes are still stopped: call `done` of what it is given to let
 * them go on.
 * @throws ThawError CHECKPOINT_FAILED with CRIU's errors, WRONG_STATE, NO_SPACE; the container runs on then.
 */
export async function dumpStopped(request: DumpRequest): Promise<{ dumped: () => Dumped; resume: () => void }> {
  const { container, directory } = request;
  const { mainInside, tree, strays } = await processesToDump(container.pid, request.program);
  if (strays.length > 0) throw straysError(container, strays);
  await checkKdat(container);
  const known = {
    mainPid: mainInside,
    stdio: await stdioPipes(container.pid),
    terminal: await terminalOf(tree),
    connections: request.connections,
  };
  try {
    const layer = await LayerCopy.ahead(request.upper, join(directory, "upper"));
    await runCriu(request, { ...known, tree });
    const stoppedAt = performance.now();
    await checkLive(container, tree);
    if (request.connections === "keep") await checkConnections(container, tree);
    await layer.finish(await sharedWritable(tree));
    const imagesDir = join(directory, "images");
    const criuMs = await frozenMs(imagesDir);
    const clocks = await readClocks(imagesDir);
    const dumped = () => ({ ...known, clocks, frozenMs: criuMs + performance.now() - stoppedAt });
    return { dumped, resume: () => resume(tree) };
  } catch (error) {
    resume(tree);
    throw error;
  }
}

/** Only what stands still can be looked at: a running process might change behind the look. */
async function checkLive({ spec }: Container, tree: readonly number[]): Promise<void> {
  const reasons = (await Promise.all(tree.map(unsafeLive))).flat();
  if (reasons.length > 0) throw notRestorable(spec.name, reasons);
}

async function checkConnections({ spec }: Container, tree: readonly number[]): Promise<void> {
  const reasons = await unkeptConnections(tree);
  if (reasons.length > 0) throw connectionsLost(spec.name, reasons);
}

async function runCriu(
  request: DumpRequest,
  known: Pick<CriuDump, "tree"> & Pick<Dumped, "mainPid" | "terminal">,
): Promise<void> {
  const imagesDir = join(request.directory, "images");
  const outputFile = join(request.directory, "criu.out");
  const log = join(imagesDir, "dump.log");
  const { program, connections = "close" } = request;
  const what = { pidInside: known.mainPid, tree: known.tree, terminal: known.terminal, connections };
  const plan = dumpPlan({ program, imagesDir, outputFile, verbosity: 1, ...what });
  const id = dumpId(request.container.id);
  try {
    await runToEnd(request.client, {
      kind: "run",
      id,
      sandbox: request.container.id,
      stdio: Stdio.none,
      log: "",
      plan,
      cleanup: [],
    });
  } catch (cause) {
    throw dumpError(request.container, cause, criuErrors(log, outputFile));
  }
  await rm(log, { force: true });
  await rm(outputFile, { force: true });
}

/** A full disk is the disk's failure, whoever reports it. */
function dumpError(container: Container, cause: unknown, errors: string): unknown {
  if (cause instanceof ThawError && cause.code !== "START_FAILED") return cause;
  if (/No space left|ENOSPC/.test(errors)) {
    return new ThawError("NO_SPACE", `no space left for the checkpoint of ${container.spec.name}: ${errors}`, {
      hint: "Free disk space under the data directory (thaw rm, thaw image rm, thaw checkpoint rm) and try again.",
      cause,
    });
  }
  const reason = errors || (cause instanceof Error ? cause.message : String(cause));
  return new ThawError("CHECKPOINT_FAILED", `${container.spec.name} could not be dumped: ${reason}`, {
    hint: "The container goes on running. Some things cannot be dumped: open devices, io_uring, files that are gone.",
    cause,
  });
}

async function frozenMs(imagesDir: string): Promise<number> {
  try {
    return parseDumpStats(await Bun.file(join(imagesDir, "stats-dump")).bytes()).frozenMs;
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw error;
    throw new ThawError("CHECKPOINT_FAILED", "CRIU left no statistics beside the images", { cause: error });
  }
}

function straysError(container: Container, strays: readonly string[]): ThawError {
  const names = strays.slice(0, 5).join(", ");
  const message = `${container.spec.name} has processes that are not below its main process: ${names}`;
  return new ThawError("CHECKPOINT_FAILED", message, {
    hint: "Run the service in the foreground (no daemonizing), end what `thaw exec` started, then try again.",
  });
}
