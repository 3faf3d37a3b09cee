/** Containers as the benchmarks start them cold: with a port that the launcher holds, in which a request waits. */
import type { ApiClient } from "../api/client.ts";
import { asThawError } from "../common/errors.ts";
import type { Answer } from "./ask.ts";
import type { Ask } from "./sleeper.ts";

export interface ColdContainer {
  readonly image: string;
  readonly command?: readonly string[] | undefined;
  readonly host: string;
  readonly port: number;
  readonly containerPort: number;
}

export interface ColdStart {
  readonly id: string;
  /** From the start to the first good answer. */
  readonly ms: number;
  readonly answer: Answer;
}

const LIMIT_MS = 60_000;
const RETRY_MS = 1;

/** Makes a container, starts it and asks. @throws ThawError NOT_READY, and as the daemon says. */
export async function startCold(client: ApiClient, wanted: ColdContainer, ask: Ask): Promise<ColdStart> {
  const { image, command, host, port, containerPort } = wanted;
  const body = {
    Image: image,
    ...(command === undefined ? {} : { Cmd: command }),
    HostConfig: {
      // As a service has it: the request waits in a port of the launcher's until the program accepts.
      NetworkMode: "none",
      PortBindings: { [`${containerPort}/tcp`]: [{ HostIp: host, HostPort: String(port) }] },
    },
  };
  const { Id: id } = await client.json<{ Id: string }>("containerCreate", { body });
  try {
    const from = performance.now();
    await client.json("containerStart", { params: { id } });
    const answer = await firstAnswer(() => ask(host, port));
    return { id, ms: performance.now() - from, answer };
  } catch (error) {
    await removeContainer(client, id).catch(() => undefined);
    throw error;
  }
}

/** A published port holds a connection for a second only; a program may take longer to start. */
async function firstAnswer(ask: () => Promise<Answer>): Promise<Answer> {
  for (const until = performance.now() + LIMIT_MS; ; await Bun.sleep(RETRY_MS)) {
    try {
      return await ask();
    } catch (error) {
      if (asThawError(error).code !== "NOT_READY" || performance.now() > until) throw error;
    }
  }
}

/** Kills and removes it. */
export async function removeContainer(client: ApiClient, id: string): Promise<void> {
  await client.json("containerRemove", { params: { id }, query: { force: true } });
}
