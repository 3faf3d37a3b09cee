/**
 * Containers made and removed, several at a time: half of them by one call (POST /thaw/v1/run, which removes by
 * itself), half by four (create, start, wait, remove). In a network with a way in every fourth publishes a port.
 */
import { connect } from "node:net";
import type { CreateInput } from "../../api/containers.ts";
import { asThawError, ThawError } from "../../common/errors.ts";
import type { Home } from "./home.ts";

/** What containers are in. */
export type Network = "bridge" | "none" | "host";

export interface ChurnOptions {
  readonly network: Network;
  readonly atOnce: number;
  /** Whether there is another one to be made; asked before each. Resolves when it may begin. */
  readonly more: () => Promise<boolean>;
  /** Called when one is gone. @param ms  from the first call to the end of the last. */
  readonly done: (ms: number) => void;
  /** Takes failures, which are tried again then; not given: the first one ends the churn. */
  readonly failed?: (error: ThawError) => void;
}

const FIRST_PORT = 20_000;
const PORTS = 8_000;
const CONTAINER_PORT = 80;
const PUBLISH_EVERY = 4;
const MOST_TRIES = 20;
const RETRY_MS = 20;

/** Resolves when there are no more. @throws ThawError as the daemon says of what failed. */
export async function churn(home: Home, options: ChurnOptions): Promise<void> {
  let next = 0;
  let isOver = false;
  const work = async () => {
    const port = await freePort();
    while (!isOver && (await options.more())) {
      const number = next++;
      const from = performance.now();
      await make(home, number, port, options).catch((error: unknown) => {
        isOver = true;
        throw error;
      });
      options.done(performance.now() - from);
    }
  };
  const workers = await Promise.allSettled(Array.from({ length: options.atOnce }, work));
  for (const worker of workers) if (worker.status === "rejected") throw worker.reason;
}

async function make(home: Home, number: number, port: number, { network, failed }: ChurnOptions): Promise<void> {
  // Both ways are mixed with and without ports.
  const publishes = network !== "host" && number % PUBLISH_EVERY < 2 && number % 3 === 0;
  const body = containerBody(home, network, ["/bin/true"], publishes ? port : undefined);
  for (let tries = 1; ; tries++) {
    const name = `soak-${number}-${tries}`;
    try {
      return await (number % 2 === 0 ? runOnce(home, name, body) : callByCall(home, name, body));
    } catch (error) {
      if (failed === undefined || tries === MOST_TRIES) throw error;
      failed(asThawError(error));
      await removeSurely(home, name);
    }
  }
}

/** The body of a container's making. @param port  of the host, when one is published. */
export function containerBody(
  { root }: Home,
  network: Network,
  command: readonly string[],
  port: number | undefined,
): CreateInput {
  const published = { [`${CONTAINER_PORT}/tcp`]: [{ HostIp: "127.0.0.1", HostPort: String(port) }] };
  return {
    Rootfs: root,
    Cmd: [...command],
    HostConfig: { NetworkMode: network, ...(port === undefined ? {} : { PortBindings: published }) },
  };
}

async function runOnce({ client }: Home, name: string, body: CreateInput): Promise<void> {
  const request = { ...body, HostConfig: { ...body.HostConfig, AutoRemove: true } };
  const quiet = { onStarted: () => undefined, onOutput: () => undefined };
  const running = await client.run({ name }, request, quiet);
  const end = await running.ended;
  if (end?.error !== undefined) throw end.error;
  expectSuccess(end?.exitCode ?? -1, end?.note ?? "");
}

async function callByCall({ client }: Home, name: string, body: CreateInput): Promise<void> {
  const { Id: id } = await client.json<{ Id: string }>("containerCreate", { body, query: { name } });
  await client.json("containerStart", { params: { id } });
  const { StatusCode } = await client.json<{ StatusCode: number }>("containerWait", { params: { id } });
  await client.json("containerRemove", { params: { id } });
  expectSuccess(StatusCode, "");
}

function expectSuccess(exitCode: number, note: string): void {
  if (exitCode === 0) return;
  throw new ThawError("INTERNAL", `/bin/true ended with ${exitCode}${note === "" ? "" : `: ${note}`}`);
}

/** Whatever is left of it is gone then. @throws ThawError when that is not to be had. */
export async function removeSurely({ client }: Home, name: string): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      return await client.json("containerRemove", { params: { id: name }, query: { force: true } });
    } catch (error) {
      if (asThawError(error).code === "CONTAINER_NOT_FOUND") return;
      if (tries === MOST_TRIES) throw error;
      await Bun.sleep(RETRY_MS * tries);
    }
  }
}

/** A port that nobody listens on, outside of the range from which the kernel gives ports to connections. */
async function freePort(): Promise<number> {
  for (;;) {
    const port = FIRST_PORT + Math.floor(Math.random() * PORTS);
    if (!(await accepts(port))) return port;
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(port, "127.0.0.1");
    probe.on("connect", () => resolve(true));
    probe.on("error", () => resolve(false));
    probe.on("connect", () => probe.destroy());
  });
}
