/**
 * `thaw bench restore`: a Python process that touches so many megabytes is dumped, restored in a lean container, and
 * touches them again; by CRIU as it comes in packages, by thaw's CRIU engine, and by thaw's own from each of its tiers.
 */
import { statfs } from "node:fs/promises";
import { Command, Option } from "commander";
import { COMBINATIONS, type Combination, combinationsOption, nameOf } from "../engines.ts";
import { interruptible, milliseconds } from "../interruptible.ts";
import { positive, whole, wholes } from "../options.ts";
import { makeReport, publish } from "../report.ts";
import { measureRestores } from "./measure.ts";
import { renderRestore } from "./text.ts";

interface RestoreOptions {
  readonly sizes: readonly number[];
  readonly engines: readonly Combination[];
  readonly runs: number;
  readonly dumps: number;
  readonly seconds: number;
  readonly paced: number;
  readonly json?: boolean;
  readonly jsonFile?: string;
}

const SIZES = [1, 4, 16, 64, 256, 1024];
const MOST_MB = 16_384;
const HELP = `
Engines and tiers:
  criu-packaged/disk   CRIU's own commands on a process of the host, in namespaces that unshare makes
  criu-tuned/TIER      thaw's CRIU engine
  thaw/TIER            thaw's own engine
  TIER                 disk: nothing resident but what the page cache has; template: the memory; parked: a process
Those that cannot be had here are reported as missing, with the reason.

A row is <engine>/<tier>/<MB>/<dump|lean|restore|execution>. Checkpoints are made where temporary files are: TMPDIR=/dev/shm
puts them on a tmpfs.

Examples:
  thaw bench restore --json-file restore.json
  thaw bench restore --sizes 1,256 --engines criu-tuned,thaw/template --runs 50 --seconds 10`;

export function restoreCommand(): Command {
  return new Command("restore")
    .description("dump a process that has touched so much memory, restore it, let it touch all of it again")
    .addOption(
      new Option("--sizes <list>", "megabytes that it touches")
        .argParser(wholes(MOST_MB))
        .default(SIZES, SIZES.join(",")),
    )
    .addOption(
      new Option("--engines <list>", "engines, or <engine>/<tier>")
        .argParser(combinationsOption(COMBINATIONS))
        .default(COMBINATIONS, COMBINATIONS.map(nameOf).join(",")),
    )
    .option("--runs <n>", "restores of each size, engine, tier and pace, at most", whole, 20)
    .option("--dumps <n>", "dumps of each size and engine, at most", whole, 3)
    .option("--seconds <n>", "no further one begins after so long", positive, 1)
    .addOption(
      new Option("--paced <duration>", "from one restore to the next in the paced rows, or a multiple of it")
        .argParser(milliseconds)
        .default(50, "50ms"),
    )
    .option("--json", "print one JSON object")
    .option("--json-file <file>", "leave the JSON object in a file")
    .addHelpText("after", HELP)
    .action(runRestore);
}

async function runRestore(options: RestoreOptions): Promise<void> {
  const { sizes, engines: combinations, runs, dumps, seconds, paced: pacedMs } = options;
  await interruptible(async (directory, signal) => {
    const bench = { sizes, combinations, runs, dumps, seconds, pacedMs, directory, signal };
    const { rows, phases } = await measureRestores(bench);
    const extra = { phases, filesystem: await filesystemOf(directory) };
    await publish(await makeReport("restore", rows, extra), options, renderRestore);
  });
}

/** From linux/magic.h. */
const TMPFS_MAGIC = 0x01021994;

async function filesystemOf(directory: string): Promise<string> {
  const { type } = await statfs(directory);
  return type === TMPFS_MAGIC ? "tmpfs" : "a disk, read through the page cache";
}
