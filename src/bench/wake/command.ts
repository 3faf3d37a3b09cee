/**
 * `thaw bench wake`: real programs, asleep in each tier, each woken by one client again and again; beside the same
 * program when it is awake, and started cold.
 */
import { Command, InvalidArgumentError, Option } from "commander";
import { type Combination, combinationsOption, nameOf, OF_DAEMON } from "../engines.ts";
import { interruptible, milliseconds } from "../interruptible.ts";
import { positive, whole } from "../options.ts";
import { makeReport, publish } from "../report.ts";
import { measureWakes } from "./measure.ts";
import { WAKE_PROGRAMS, type WakeProgram } from "./programs.ts";
import { renderWake } from "./text.ts";

interface WakeOptions {
  readonly programs: readonly WakeProgram[];
  readonly engines: readonly Combination[];
  readonly runs: number;
  readonly starts: number;
  readonly requests: number;
  readonly seconds: number;
  readonly paced: number;
  readonly json?: boolean;
  readonly jsonFile?: string;
}

const USUAL = ["python", "flask"];
const HELP = `
Programs: ${WAKE_PROGRAMS.map(({ name }) => name).join(", ")}. All but the first are built out of the examples, which are looked
for below the current directory.
Rows: <program>/<engine>/<tier>, <program>/warm/<close|keep-alive>, <program>/cold. Tiers: disk (nothing resident but what the
page cache has), template (the memory), parked (a process). Those that cannot be had here are reported as missing.

Examples:
  thaw bench wake --json-file wake.json
  thaw bench wake --programs flask --engines thaw/template,thaw/parked --runs 200 --seconds 60`;

export function wakeCommand(): Command {
  return new Command("wake")
    .description("wake real programs by a connection: connect to first byte, beside warm requests and cold starts")
    .addOption(
      new Option("--programs <list>", "what is woken, or all")
        .argParser(programs)
        .default(programs(USUAL.join(",")), USUAL.join(",")),
    )
    .addOption(
      new Option("--engines <list>", "engines, or <engine>/<tier>")
        .argParser(combinationsOption(OF_DAEMON))
        .default(OF_DAEMON, OF_DAEMON.map(nameOf).join(",")),
    )
    .option("--runs <n>", "wake-ups of each program, engine, tier and pace, at most", whole, 100)
    .option("--starts <n>", "cold starts of each program, at most", whole, 5)
    .option("--requests <n>", "warm requests of each kind and pace, at most", whole, 500)
    .option("--seconds <n>", "no further one begins after so long", positive, 3)
    .addOption(
      new Option("--paced <duration>", "from one wake-up to the next in the paced rows, or a multiple of it")
        .argParser(milliseconds)
        .default(20, "20ms"),
    )
    .option("--json", "print one JSON object")
    .option("--json-file <file>", "leave the JSON object in a file")
    .addHelpText("after", HELP)
    .action(runWake);
}

function programs(text: string): WakeProgram[] {
  if (text.trim() === "all") return [...WAKE_PROGRAMS];
  return text.split(",").map((word) => {
    const found = WAKE_PROGRAMS.find(({ name }) => name === word.trim());
    if (found !== undefined) return found;
    throw new InvalidArgumentError(`expected all, or some of ${WAKE_PROGRAMS.map(({ name }) => name).join(", ")}`);
  });
}

async function runWake(options: WakeOptions): Promise<void> {
  const { engines: combinations, paced: pacedMs, programs: chosen, runs, starts, requests, seconds } = options;
  await interruptible(async (directory, signal) => {
    const limits = { runs, starts, requests, seconds, pacedMs };
    const { rows, phases } = await measureWakes({ ...limits, programs: chosen, combinations, directory, signal });
    await publish(await makeReport("wake", rows, { phases }), options, renderWake);
  });
}
