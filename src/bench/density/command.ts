/**
 * `thaw bench density`: how many instances of one checkpoint a machine can hold, how fast they come, and what each
 * costs; beside instances of the same program that were started cold.
 */
import { Command, Option } from "commander";
import { type Combination, combinationsOption, nameOf, OF_DAEMON } from "../engines.ts";
import { interruptible } from "../interruptible.ts";
import { whole } from "../options.ts";
import { makeReport, publish } from "../report.ts";
import { measureDensity, type Subject } from "./measure.ts";
import { renderDensity } from "./text.ts";

interface DensityOptions {
  readonly instances: number;
  readonly megabytes: number;
  readonly small: number;
  readonly cold: number;
  readonly engines: readonly Combination[];
  readonly atOnce: number;
  readonly json?: boolean;
  readonly jsonFile?: string;
}

/** What is parked is one instance: many of a checkpoint come from a template or the disk. */
const MANY = OF_DAEMON.filter(({ tier }) => tier !== "parked");
const HELP = `
No more are made than leave three fifths of the memory that was available at the beginning.
Rows are <subject>/<engine>/<tier>/start and <subject>/cold/start; what they hold is in the JSON object's extra.memory.

Examples:
  thaw bench density --json-file density.json
  thaw bench density --instances 1000 --megabytes 64 --engines thaw/template`;

export function densityCommand(): Command {
  return new Command("density")
    .description("many instances of one checkpoint: how fast they start, what each holds")
    .option("--instances <n>", "instances of the large service", whole, 100)
    .option("--megabytes <n>", "memory of the large service", whole, 256)
    .option("--small <n>", "instances of a small Python server", whole, 300)
    .option("--cold <n>", "cold instances of each, to compare with", whole, 20)
    .addOption(
      new Option("--engines <list>", "engines, or <engine>/<tier>")
        .argParser(combinationsOption(MANY))
        .default(MANY, MANY.map(nameOf).join(",")),
    )
    .option("--at-once <n>", "how many are made at a time", whole, 2)
    .option("--json", "print one JSON object")
    .option("--json-file <file>", "leave the JSON object in a file")
    .addHelpText("after", HELP)
    .action(runDensity);
}

async function runDensity(options: DensityOptions): Promise<void> {
  const { instances, megabytes, small, cold, engines: combinations, atOnce } = options;
  const subjects: Subject[] = [
    { name: `${megabytes}-mb`, megabytes, instances },
    { name: "python", megabytes: 0, instances: small },
  ];
  await interruptible(async (directory, signal) => {
    const { rows, memory } = await measureDensity({ subjects, combinations, cold, atOnce, directory, signal });
    const report = await makeReport("density", rows, { memory });
    await publish(report, options, () => renderDensity(report, subjects, memory));
  });
}
