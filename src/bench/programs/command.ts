/**
 * `thaw bench programs`: whether real programs are themselves after a restore. Every program of examples/programs, and
 * the Flask example, is built, put to sleep and woken a hundred times; every answer is compared. A daemon of its own in
 * fresh directories does it all.
 */
import { join, resolve } from "node:path";
import Table from "cli-table3";
import { Command, InvalidArgumentError, Option } from "commander";
import { z } from "zod";
import { makeContext } from "../../cli/context.ts";
import { stopDaemon } from "../../cli/stop-daemon.ts";
import { asThawError } from "../../common/errors.ts";
import { shorten } from "../../common/show.ts";
import { interruptible } from "../interruptible.ts";
import { makeReport, PLAIN, publish, renderMachine } from "../report.ts";
import type { Report } from "../schema.ts";
import { summarize } from "../stats.ts";
import { judge, TIERS, type Tier, type Verdict } from "./judge.ts";
import { PROGRAMS, type Program } from "./list.ts";

interface ProgramsOptions {
  readonly restores: number;
  readonly only?: readonly Program[];
  readonly tier?: Tier;
  readonly root: string;
  readonly home?: string;
  readonly json?: boolean;
  readonly jsonFile?: string;
}

const NAMES = PROGRAMS.map(({ name }) => name).join(", ");
const HELP = `
The programs: ${NAMES}.
Building them needs Debian's packages, npm's and Maven's; --home keeps the images for the next time.

Examples:
  thaw bench programs --home /var/tmp/programs
  thaw bench programs --only go node-http --restores 1000
  THAW_RESTORE_ENGINE=criu thaw bench programs --json`;

export function programsCommand(): Command {
  return new Command("programs")
    .description("restore real programs many times and compare what they answer")
    .option("--restores <n>", "of each program", whole, 100)
    .option("--only <name...>", "these programs", named)
    .addOption(new Option("--tier <tier>", "where the memory of sleeping services shall be").choices(TIERS))
    .option("--root <directory>", "where examples/ is", ".")
    .option("--home <directory>", "the daemon's directory, which is kept")
    .option("--json", "print one JSON object")
    .option("--json-file <file>", "leave the JSON object in a file")
    .addHelpText("after", HELP)
    .action(run);
}

function whole(text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new InvalidArgumentError("expected a whole number above 0");
  return Number(text);
}

function named(name: string, before: readonly Program[] = []): Program[] {
  const found = PROGRAMS.find((program) => program.name === name);
  if (found === undefined) throw new InvalidArgumentError(`expected one of ${NAMES}`);
  return [...before, found];
}

async function run(options: ProgramsOptions): Promise<void> {
  await interruptible(async (directory, signal) => {
    const home = options.home === undefined ? directory : resolve(options.home);
    process.env.THAW_DATA = join(home, "data");
    process.env.THAW_RUN = join(home, "run");
    const { client } = makeContext();
    try {
      const report = await judgeAll(options, { client, signal });
      await publish(report, options, render);
      if (extraSchema.parse(report.extra).programs.some(({ right, asked }) => right < asked)) process.exitCode = 1;
    } finally {
      await stopDaemon(client, true).catch((error: unknown) => console.error(String(error)));
    }
  });
}

/** Of what a table says why not the faster engine; the JSON has all of it. */
const MOST_CHARACTERS = 100;
const NOT_JUDGED = { engine: "-", tier: "-", right: 0, fellBack: 0, wakes: [], checkpointBytes: 0 };

async function judgeAll(
  { only = PROGRAMS, root, restores, tier }: ProgramsOptions,
  daemon: { client: ReturnType<typeof makeContext>["client"]; signal: AbortSignal },
): Promise<Report> {
  const verdicts: Verdict[] = [];
  for (const program of only) {
    console.error(`==> ${program.name}`);
    const say = (line: string) => console.error(`    ${line}`);
    const verdict = await judge(program, { ...daemon, root: resolve(root), restores, tier, say }).catch(
      (error: unknown) => {
        daemon.signal.throwIfAborted();
        const { message } = asThawError(error);
        return { ...NOT_JUDGED, name: program.name, reasons: [message], asked: restores, wrong: [message] };
      },
    );
    verdicts.push(verdict);
    console.error(`    ${verdict.engine}: ${verdict.right} of ${verdict.asked} right`);
  }
  const pace = "asleep again between two";
  const rows = verdicts.map(({ name, engine, wakes }) => ({
    ...summarize(name, wakes, pace, wakes.length === 0 ? "was not woken" : "connect to first byte"),
    params: { program: name, engine },
  }));
  return makeReport("programs", rows, { programs: verdicts.map(({ wakes: _, ...rest }) => rest) });
}

const extraSchema = z.object({
  programs: z.array(
    z.object({
      name: z.string(),
      engine: z.string(),
      tier: z.string(),
      reasons: z.array(z.string()),
      asked: z.number(),
      right: z.number(),
      fellBack: z.number(),
      wrong: z.array(z.string()),
    }),
  ),
});

function render(report: Report): string {
  const { programs } = extraSchema.parse(report.extra);
  const head = ["program", "engine", "tier", "right / restores", "fell back", "wake p50 ms", "p99 ms", "why"];
  const colAligns = ["left", "left", "left", "right", "right", "right", "right", "left"] as const;
  const table = new Table({ head, colAligns: [...colAligns], ...PLAIN });
  for (const { name, engine, tier, right, asked, fellBack, reasons } of programs) {
    const row = report.rows.find((one) => one.name === name);
    const figures = row === undefined || row.n === 0 ? ["-", "-"] : [row.p50_ms.toFixed(2), row.p99_ms.toFixed(2)];
    const why = shorten(reasons.join("; "), MOST_CHARACTERS);
    table.push([name, engine, tier, `${right} / ${asked}`, fellBack, ...figures, why]);
  }
  const wrong = programs.flatMap(({ name, wrong: words }) => words.map((word) => `${name}: ${word}`));
  return [table.toString(), ...(wrong.length === 0 ? [] : ["Wrong:", ...wrong]), renderMachine(report.machine)].join(
    "\n",
  );
}
