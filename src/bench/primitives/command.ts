/**
 * `thaw bench primitives`: what the single steps of making a container cost on this kernel, by themselves: roots,
 * mount namespaces, each kind of namespace, network namespaces in parallel, cgroups. The figures follow the
 * deconstructions in the literature on lean containers; `thaw bench create` shows what the steps come to together.
 * Everything is made in namespaces, directories and cgroup leaves of the benchmark's own, which are gone at its end,
 * also when it is interrupted.
 */

import { Command, InvalidArgumentError, Option } from "commander";
import { interruptible, milliseconds } from "../interruptible.ts";
import { positive, whole, wholes } from "../options.ts";
import { makeReport, publish } from "../report.ts";
import type { Row } from "../schema.ts";
import { cgroupCases } from "./cgroups.ts";
import { type Case, measure, type Settings } from "./measure.ts";
import { namespaceCases, networkCases } from "./namespaces.ts";
import { mountNamespaceCases, rootCases } from "./roots.ts";
import { FIGURES, type FigureName, renderFigures } from "./text.ts";

interface PrimitivesOptions {
  readonly only?: readonly FigureName[];
  readonly seconds: number;
  readonly count?: number;
  readonly paced: number;
  readonly layers: readonly number[];
  readonly mounts: readonly number[];
  readonly parallel: readonly number[];
  readonly json?: boolean;
  readonly jsonFile?: string;
}

const NAMES = Object.keys(FIGURES) as FigureName[]; // the keys of a literal

export function primitivesCommand(): Command {
  return new Command("primitives")
    .description("what single steps of making a container cost on this kernel: mounts, namespaces, cgroups")
    .option("--only <figures>", `some of the figures: 1 to 5, or ${NAMES.join(", ")}`, figures)
    .option("--seconds <n>", "how long each case runs", positive, 1)
    .option("--count <n>", "how often each case runs, in place of --seconds", whole)
    .addOption(
      new Option("--paced <duration>", "from one step to the next in the paced cases")
        .argParser(milliseconds)
        .default(20, "20ms"),
    )
    .addOption(listOption("--layers <list>", "layers of the overlays", 200, [1, 2, 4, 8, 16, 32, 64]))
    .addOption(
      listOption(
        "--mounts <list>",
        "mounts beside which mount namespaces are made",
        65536,
        [1, 4, 16, 64, 256, 1024, 4096],
      ),
    )
    .addOption(listOption("--parallel <list>", "network namespaces that are made at a time", 64, [1, 2, 4, 8, 16, 32]))
    .option("--json", "print one JSON object")
    .option("--json-file <file>", "leave the JSON object in a file")
    .addHelpText(
      "after",
      "\nExamples:\n  thaw bench primitives --only cgroups\n  thaw bench primitives --seconds 3 --json-file primitives.json",
    )
    .action(runPrimitives);
}

function figures(text: string): FigureName[] {
  return text.split(",").map((word) => {
    const name = NAMES.find((known, index) => word.trim() === known || word.trim() === String(index + 1));
    if (name === undefined) throw new InvalidArgumentError(`expected some of ${NAMES.join(", ")}, or 1 to 5`);
    return name;
  });
}

function listOption(flags: string, description: string, most: number, usual: readonly number[]): Option {
  return new Option(flags, description).argParser(wholes(most)).default(usual, usual.join(","));
}

async function runPrimitives(options: PrimitivesOptions): Promise<void> {
  await interruptible(async (directory, signal) => {
    const rows = await measureAll(options, directory, signal);
    await publish(await makeReport("primitives", rows), options, renderFigures);
  });
}

async function measureAll(options: PrimitivesOptions, directory: string, signal: AbortSignal): Promise<Row[]> {
  const { seconds, count, paced: pacedMs, only = NAMES } = options;
  const limit = count === undefined ? { seconds } : { count };
  const rows: Row[] = [];
  for (const figure of NAMES.filter((name) => only.includes(name))) {
    // To stderr, so that stdout is the result, whichever form it has.
    const announce = (name: string) => console.error(`${figure}: ${name}`);
    const settings: Settings = { directory, pacedMs, signal, announce, ...limit };
    const { cases, remove } = await casesOf(figure, options, settings);
    try {
      for (const one of cases) rows.push(...(await measure(one, settings)));
    } finally {
      await remove();
    }
  }
  return rows;
}

interface Prepared {
  readonly cases: readonly Case[];
  readonly remove: () => Promise<void>;
}

async function casesOf(figure: FigureName, options: PrimitivesOptions, settings: Settings): Promise<Prepared> {
  const nothing = async () => {};
  switch (figure) {
    case "roots":
      return rootCases(settings, options.layers);
    case "mount-namespaces":
      return mountNamespaceCases(settings, options.mounts);
    case "namespaces":
      return { cases: namespaceCases(), remove: nothing };
    case "network":
      return { cases: networkCases(options.parallel), remove: nothing };
    case "cgroups":
      return cgroupCases(settings);
  }
}
