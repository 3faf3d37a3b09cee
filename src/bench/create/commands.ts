/** Whole commands as lanes: each is run by the launcher's loop like everything else, as a process of the host. */
import { type Op, Role, Wait } from "../../launcher/generated/protocol.ts";
import { type Lane, type Slice, warm } from "./lanes.ts";
import { attempt, complaint, environment, type Peer } from "./peer.ts";
import { loopPlan } from "./samples.ts";

export interface CommandOptions {
  readonly directory: string;
  /** Runs in a slice. */
  readonly sliceRuns: number;
  readonly pacedMs: number;
  readonly signal: AbortSignal;
}

/** The first of a slice finds the launcher, and a podman its network, new. */
const WARM_UP = 1;
const US_PER_MS = 1000;
/** A command's pace leaves it as much time again as it takes; in steps of so many ms. */
const STEP_MS = 50;

/** The lanes of all commands that can be run; those that cannot have one that says why. */
export async function commandLanes(peers: readonly Peer[], options: CommandOptions): Promise<Lane[]> {
  const lanes: Lane[] = [];
  for (const peer of peers) lanes.push(...(await lanesOf(peer, options)));
  return lanes;
}

async function lanesOf(peer: Peer, options: CommandOptions): Promise<Lane[]> {
  const { name } = peer;
  const params = { kind: "whole-command", at_once: 1 };
  const tried = await tryOut(peer, options.signal);
  if ("problem" in tried) return [{ name, pace: "back-to-back", params, note: tried.problem }];
  const pacedMs = Math.max(options.pacedMs, Math.ceil((2 * tried.ms) / STEP_MS) * STEP_MS);
  const note = tried.peer.note === undefined ? {} : { note: tried.peer.note };
  const lane = (pace: string, intervalMs: number): Lane => {
    return { name, pace, params, ...note, slice: () => slice(tried.peer, tried.argv, intervalMs, options) };
  };
  return [lane("back-to-back", 0), lane(`one every ${pacedMs} ms`, pacedMs)];
}

type Tried =
  | { readonly peer: Peer; readonly argv: readonly string[]; readonly ms: number }
  | { readonly problem: string };

/** Twice, because the first run may prepare things for all others. */
async function tryOut(peer: Peer, signal: AbortSignal): Promise<Tried> {
  const { argv, absent = "cannot be run here", otherwise } = peer;
  if (argv === undefined) return { problem: absent };
  let ms = 0;
  for (let run = 0; run < 2; run++) {
    const from = performance.now();
    const { exitCode, stderr } = await attempt(peer, argv, signal);
    signal.throwIfAborted();
    ms = performance.now() - from;
    if (exitCode === 0) continue;
    const problem = `fails here: ${complaint(stderr) || `exit code ${exitCode}`}`;
    const other = otherwise === undefined ? { problem } : await tryOut(otherwise, signal);
    return "problem" in other ? { problem } : other;
  }
  return { peer, argv, ms };
}

async function slice(peer: Peer, argv: readonly string[], pacedMs: number, options: CommandOptions): Promise<Slice> {
  const { directory, sliceRuns, signal } = options;
  const samples = await loopPlan({
    plan: commandPlan(argv, { ...environment(), ...peer.env }),
    ...(peer.prefix === undefined ? {} : { prefix: peer.prefix }),
    directory,
    count: sliceRuns + WARM_UP,
    intervalUs: pacedMs * US_PER_MS,
    signal,
  });
  return { samples: warm(samples, WARM_UP) };
}

/** A plan that starts a command of the host and waits for it: nothing of a container. */
function commandPlan(argv: readonly string[], env: Readonly<Record<string, string>>): Op[] {
  return [
    { kind: "spawn", role: Role.main, wait: Wait.exec, namespaces: 0n, join: 0 },
    { kind: "stdio_at", stdin: 0, stdout: 1, stderr: 2 },
    { kind: "exec", path: argv[0] ?? "", argv, env: Object.entries(env).map(([name, value]) => `${name}=${value}`) },
  ];
}
