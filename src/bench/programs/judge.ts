/**
 * One program: built, put to sleep, and woken many times. After each wake-up it is asked twice, on two connections:
 * cheaply, which is timed, and then for all of its data. Right is what is known beforehand, and the same to the letter
 * as after the first wake-up, so that a count that did not begin anew is wrong, too.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { ApiClient } from "../../api/client.ts";
import { loadCompose } from "../../api/compose/load.ts";
import { resolveService } from "../../api/compose/resolve.ts";
import type { BuildResult } from "../../api/images.ts";
import type { ServiceAnswer } from "../../api/thaw.ts";
import { asThawError, ThawError } from "../../common/errors.ts";
import type { Answer } from "../ask.ts";
import { waitForService } from "../watch.ts";
import { askProgram, type Program, type Question } from "./list.ts";

export const TIERS = ["disk", "template", "parked"] as const;
export type Tier = (typeof TIERS)[number];

export interface JudgeOptions {
  readonly client: ApiClient;
  /** Where the programs' directories are. */
  readonly root: string;
  readonly restores: number;
  /** Where the memory of the sleeping service shall be; the daemon's own choice when not given. */
  readonly tier?: Tier | undefined;
  readonly signal: AbortSignal;
  readonly say: (line: string) => void;
}

export interface Verdict {
  readonly name: string;
  readonly engine: string;
  /** The one it slept in at the end. */
  readonly tier: string;
  /** Why not a faster engine, and what became of wake-ups that were no restores. */
  readonly reasons: readonly string[];
  readonly asked: number;
  /** Restores after which every answer was right. */
  readonly right: number;
  /** Wake-ups that an engine after the first, or a cold start, had to do. */
  readonly fellBack: number;
  /** The first few that were wrong, in words. */
  readonly wrong: readonly string[];
  /** From connect to the first byte, of every wake-up, ms. */
  readonly wakes: readonly number[];
  readonly checkpointBytes: number;
}

const PROJECT = "programs";
const IDLE_MS = 50;
const MOST_WORDS = 5;
/** npm and Maven need to know whom this machine trusts. */
const CA_FILE = "/etc/ssl/certs/ca-certificates.crt";

/** @throws ThawError as the daemon says of what failed before there was anything to judge. */
export async function judge(program: Program, options: JudgeOptions): Promise<Verdict> {
  const { client } = options;
  const service = await putToSleep(program, options);
  try {
    const result = await wakeOften(program, service, options);
    const asleep = await waitForService(client, service.id, ({ state }) => state === "asleep");
    const { engine, reasons, tier } = asleep;
    const checkpoints = await client.json<{ sizeBytes: number }[]>("checkpointList");
    const checkpointBytes = checkpoints.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    return { name: program.name, engine, tier, ...result, reasons: [...reasons, ...result.reasons], checkpointBytes };
  } finally {
    await client.json("projectDown", { params: { project: PROJECT }, query: { volumes: true } });
  }
}

/** Builds the program's image and makes it a service. */
export async function putToSleep(
  program: Program,
  { client, root, say, tier }: Pick<JudgeOptions, "client" | "root" | "say" | "tier">,
): Promise<ServiceAnswer> {
  const file = join(root, program.directory, "compose.yaml");
  const compose = await loadCompose(file);
  const given = compose.services.find(({ name }) => name === program.name);
  if (given === undefined) throw new ThawError("INVALID", `${file} has no service ${program.name}`);
  const { build, service } = resolveService(given, PROJECT, file);
  if (build !== undefined) {
    const body = { ...build, ...(existsSync(CA_FILE) ? { caFile: CA_FILE } : {}) };
    await client.progress<BuildResult>("buildCreate", { body }, say);
  }
  // Not the ports of the file: something else may have them here.
  const ports = service.ports.map((port) => ({ ...port, hostAddress: "127.0.0.1", hostPort: freePort() }));
  const body = { ...service, ports, idleMs: IDLE_MS, ...(tier === undefined ? {} : { tier }) };
  return client.progress<ServiceAnswer>("serviceUp", { body }, say);
}

/** A port of the loopback interface that nobody has at this moment. */
function freePort(): number {
  const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data: () => undefined } });
  listener.stop(true);
  return listener.port;
}

type Result = Pick<Verdict, "asked" | "right" | "fellBack" | "reasons" | "wrong" | "wakes">;

async function wakeOften(program: Program, { id, spec }: ServiceAnswer, options: JudgeOptions): Promise<Result> {
  const { client, restores, signal } = options;
  const [port] = spec.ports;
  if (port === undefined) throw new ThawError("INVALID", `${program.name} publishes no port`);
  const questions = [program.light, program.thorough];
  const first: (string | undefined)[] = [];
  const wakes: number[] = [];
  const wrong: string[] = [];
  const reasons = new Set<string>();
  let [right, fellBack] = [0, 0];
  for (let run = 0; run < restores && !signal.aborted; run++) {
    await waitForService(client, id, ({ state }) => state === "asleep");
    const problems: string[] = [];
    for (const [index, question] of questions.entries()) {
      const answer = await askProgram(port.hostAddress, port.hostPort, question).catch((error: unknown) =>
        asThawError(error),
      );
      problems.push(...problemsOf(question, answer, first[index]));
      if (answer instanceof Error) continue;
      first[index] ??= answer.text;
      if (index === 0) wakes.push(answer.firstByteMs);
    }
    const { lastWake } = await waitForService(client, id, ({ wakes: counted }) => counted > run);
    if (lastWake?.result !== "restored") {
      fellBack++;
      reasons.add(`${lastWake?.result}: ${lastWake?.detail}`);
    }
    if (problems.length === 0) right++;
    wrong.push(...problems.map((problem) => `restore ${run + 1}: ${problem}`));
  }
  signal.throwIfAborted();
  return { asked: restores, right, fellBack, reasons: [...reasons], wrong: wrong.slice(0, MOST_WORDS), wakes };
}

function problemsOf(question: Question, answer: Answer | Error, first: string | undefined): string[] {
  if (answer instanceof Error) return [answer.message];
  const problem = question.wrong(answer.text);
  if (problem !== undefined) return [problem];
  if (first === undefined || first === answer.text) return [];
  return [`not as after the first restore: ${answer.text.slice(0, 200)}, then it was ${first.slice(0, 200)}`];
}
