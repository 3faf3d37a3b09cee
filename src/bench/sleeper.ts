/** A service that sleeps in a certain tier, and is woken again and again by one request. */
import type { ApiClient } from "../api/client.ts";
import type { ServiceAnswer, ServiceUpInput } from "../api/thaw.ts";
import { asThawError, ThawError } from "../common/errors.ts";
import type { Answer } from "./ask.ts";
import { wallClock } from "./clock.ts";
import { type Combination, difference, inTier, tierOf } from "./engines.ts";
import { waitForService } from "./watch.ts";

export interface Sleeper {
  readonly client: ApiClient;
  readonly service: ServiceAnswer;
  readonly combination: Combination;
  readonly host: string;
  readonly port: number;
  readonly ask: Ask;
  /** What it needs between falling asleep and waking as wanted, as far as is known. */
  readonly pause: {
    ms: number;
    /** Wake-ups from other tiers, which do not count. */
    others: number;
  };
}

/** One question on a connection of its own. @throws ThawError when the answer is not right. */
export type Ask = (host: string, port: number) => Promise<Answer>;

/** One wake-up. */
export interface Wake {
  readonly answer: Answer;
  /** When the client began to connect, ms since the epoch. */
  readonly connectAt: number;
  /** Ms since the launcher saw the connection. */
  readonly phases: ReadonlyMap<string, number>;
}

/** Longer than sampling takes: it is sent to sleep when it is to sleep. */
const IDLE_MS = 60_000;
/** What a tier may need to be made ready again after the service fell asleep. */
const TIER_LIMIT_MS = 2000;
const STEP_MS = 5;
const LONGEST_PAUSE_MS = 500;
const MOST_TRIES = 8;

/** Makes it; or says why a service cannot sleep so here. */
export async function putToSleep(
  client: ApiClient,
  input: ServiceUpInput,
  combination: Combination,
  ask: Ask,
): Promise<Sleeper | { readonly missing: string }> {
  const body = { ...input, idleMs: IDLE_MS };
  let service: ServiceAnswer;
  try {
    service = await up(client, body, combination);
  } catch (error) {
    return { missing: asThawError(error).message };
  }
  const [port] = service.spec.ports;
  if (port === undefined) throw new ThawError("INTERNAL", "the service lost its port");
  const sleeper = {
    client,
    service,
    combination,
    host: port.hostAddress,
    port: port.hostPort,
    ask,
    pause: { ms: 0, others: 0 },
  };
  const wrong = await untilInTier(sleeper);
  return wrong === undefined ? sleeper : { missing: wrong };
}

function up(client: ApiClient, body: ServiceUpInput, { tier }: Combination): Promise<ServiceAnswer> {
  return inTier(tier, (asked) => {
    return client.progress<ServiceAnswer>("serviceUp", { body: { ...body, ...asked } }, () => undefined);
  });
}

/** Waits until it sleeps as wanted; what it does instead otherwise. */
async function untilInTier({ client, service: { id }, combination }: Sleeper): Promise<string | undefined> {
  const until = performance.now() + TIER_LIMIT_MS;
  for (;;) {
    const service = await waitForService(client, id, ({ state }) => state === "asleep");
    const wrong = difference(service, combination);
    if (wrong === undefined || performance.now() > until) return wrong;
    await Bun.sleep(STEP_MS);
  }
}

/**
 * Wakes it once and puts it to sleep again. A wake-up from another tier does not count: it is tried again after a longer
 * pause, for what is held ready may not be ready yet when the service has just fallen asleep.
 * @throws ThawError RESTORE_FAILED when it does not wake as wanted.
 */
export async function wakeOnce(sleeper: Sleeper): Promise<Wake> {
  const { tier } = sleeper.combination;
  for (let tries = 1; ; tries++) {
    await Bun.sleep(sleeper.pause.ms);
    const woken = await wakeAnyhow(sleeper);
    if (woken.tier === tier) return woken.wake;
    if (tries === MOST_TRIES) throw notRestored(`it woke from tier ${woken.tier}`);
    sleeper.pause.others++;
    sleeper.pause.ms = Math.min(LONGEST_PAUSE_MS, Math.max(STEP_MS, 2 * sleeper.pause.ms));
  }
}

async function wakeAnyhow(sleeper: Sleeper): Promise<{ readonly wake: Wake; readonly tier: string }> {
  const { client, service, host, port, ask } = sleeper;
  const { wakes } = await client.json<ServiceAnswer>("serviceInspect", { params: { id: service.id } });
  const now = wallClock();
  const connectAt = now();
  const answer = await ask(host, port);
  const { lastWake } = await waitForService(client, service.id, (woken) => woken.wakes > wakes);
  await client.json("serviceSleep", { params: { id: service.id } });
  const wrong = await untilInTier(sleeper);
  if (wrong !== undefined) throw notRestored(wrong);
  if (lastWake?.result !== "restored") throw notRestored(lastWake?.detail || "it says nothing of its wake-up");
  const phases = new Map(lastWake.phases.map(({ name, ms }) => [name, ms]));
  // A wake-up that names no tier had that of the service, which was seen before.
  const tier = "tier" in lastWake ? tierOf(lastWake) : sleeper.combination.tier;
  return { wake: { answer, connectAt, phases }, tier };
}

function notRestored(why: string): ThawError {
  return new ThawError("RESTORE_FAILED", `a wake-up was not what is measured: ${why}`);
}

/** For the rows of its wake-ups: the pauses it was given, and what was not counted. */
export function pauseParams({ pause }: Sleeper): Record<string, number> {
  return pause.others === 0 ? {} : { pause_ms: pause.ms, other_tier: pause.others };
}

/** Removes it with its checkpoint. */
export async function removeSleeper({ client, service }: Sleeper): Promise<void> {
  await client.json("projectDown", { params: { project: service.spec.project } });
}
