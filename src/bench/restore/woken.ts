/**
 * The process as a service of thaw: dumped as a container, woken by a connection. Times begin when the client begins to
 * connect, and are ended by the process's own clock: what the launcher needs to notice the connection is in them.
 */
import type { ApiClient } from "../../api/client.ts";
import type { CheckpointAnswer } from "../../api/thaw.ts";
import { ThawError } from "../../common/errors.ts";
import { askFor } from "../ask.ts";
import { removeContainer, startCold } from "../container.ts";
import { type Combination, type EngineName, refusal } from "../engines.ts";
import { type Limits, repeat } from "../pace.ts";
import { freePort, pythonCommand } from "../python/image.ts";
import { PROGRAMS, type PythonRoot } from "../python/root.ts";
import { putToSleep, type Sleeper, wakeOnce } from "../sleeper.ts";
import { parseReport, type Sample } from "./sample.ts";

export interface Subject {
  readonly client: ApiClient;
  readonly image: string;
  readonly root: PythonRoot;
  readonly megabytes: number;
}

/** One checkpoint of a running container, in ms. */
export interface Dump {
  /** From the request until it is complete on disk, with digests. */
  readonly wholeMs: number;
  /** How long the process stood still. */
  readonly frozenMs: number;
}

const PORT = 8000;
const GAP_MS = 200;
const NS_PER_MS = 1e6;
const HOST = "127.0.0.1";

const ask = (host: string, port: number) => askFor(host, port, "/");
const commandOf = ({ root, megabytes }: Subject) => pythonCommand(root, PROGRAMS.touch, String(megabytes));

/** Checkpoints a container that runs on, again and again. @throws ThawError RESTORE_FAILED when another engine takes it. */
export async function dumpSamples(subject: Subject, engine: EngineName, limits: Limits): Promise<Dump[]> {
  const { client, image } = subject;
  const cold = { image, command: commandOf(subject), host: HOST, port: freePort(), containerPort: PORT };
  const { id } = await startCold(client, cold, ask);
  try {
    return await repeat(limits, 0, async () => {
      const from = performance.now();
      const body = { container: id, name: "bench-dump", leaveRunning: true };
      const checkpoint = await client.json<CheckpointAnswer>("checkpointCreate", { body });
      const wholeMs = performance.now() - from;
      expectEngine(checkpoint, engine);
      await client.json("checkpointRemove", { params: { name: "bench-dump" } });
      return { wholeMs, frozenMs: checkpoint.frozenMs };
    });
  } finally {
    await removeContainer(client, id);
  }
}

function expectEngine(checkpoint: CheckpointAnswer, engine: EngineName): void {
  const wrong = refusal(checkpoint, engine);
  if (wrong !== undefined) throw new ThawError("RESTORE_FAILED", wrong);
}

/** The service, asleep in that tier; or why it cannot be. */
export async function sleepingSubject(
  subject: Subject,
  combination: Combination,
): Promise<Sleeper | { readonly missing: string }> {
  const input = {
    project: "bench",
    name: `touch-${subject.megabytes}`,
    image: subject.image,
    command: commandOf(subject),
    ports: [{ hostAddress: HOST, hostPort: freePort(), containerPort: PORT }],
  };
  const made = await putToSleep(subject.client, input, combination, ask);
  // See touch.py: it knows by the gap in its time that it was restored.
  await Bun.sleep(GAP_MS);
  return made;
}

/** How often a process may miss the gap in its time: on a busy machine it is shorter than what it takes for one. */
const MISSES = 3;

/** Wakes it once. @throws ThawError RESTORE_FAILED. */
export async function wokenSample(sleeper: Sleeper, misses = 0): Promise<Sample> {
  const { answer, connectAt, phases } = await wakeOnce(sleeper);
  const report = parseReport(answer.text.split("\r\n\r\n")[1] ?? "");
  if (report.ran_at_ns === 0) {
    if (misses === MISSES) throw new ThawError("RESTORE_FAILED", "the process has not seen that it was restored");
    await Bun.sleep(GAP_MS);
    return wokenSample(sleeper, misses + 1);
  }
  const ran = report.ran_at_ns / NS_PER_MS - connectAt;
  const lean = phases.get("sandbox") ?? 0;
  return {
    lean,
    restore: ran - lean,
    execution: report.execution_ms,
    warm: report.warm_ms,
    phases: new Map([...phases, ["first_instruction", ran]]),
  };
}
