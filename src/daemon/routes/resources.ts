/** Container routes about what runs: pause, unpause, update, stats, top. */
import { uptime } from "node:os";
import { statsQuerySchema, type TopResponse, topQuerySchema, updateSchema } from "../../api/resources.ts";
import type { RouteName } from "../../api/routes.ts";
import type { ContainerProcess } from "../../container/processes.ts";
import type { Call, Handler } from "../call.ts";
import { limitsOf } from "../limits.ts";
import type { Parts } from "../parts.ts";
import { StatsSampler } from "../stats.ts";

type ResourceRoutes = "containerPause" | "containerUnpause" | "containerUpdate" | "containerStats" | "containerTop";

/** As Docker: a sample a second. */
const SAMPLE_MS = 1000;

export function resourceRoutes(parts: Parts): Record<ResourceRoutes & RouteName, Handler> {
  const { resources } = parts.containers;
  return {
    containerPause: async (call) => {
      await resources.pause(call.param("id"));
      call.empty();
    },
    containerUnpause: async (call) => {
      await resources.unpause(call.param("id"));
      call.empty();
    },
    containerUpdate: async (call) => {
      await resources.update(call.param("id"), limitsOf(await call.body(updateSchema)));
      call.json({ Warnings: [] });
    },
    containerStats: (call) => stats(parts, call),
    containerTop: async (call) => {
      call.query(topQuerySchema);
      call.json(top(await resources.processes(call.param("id"))));
    },
  };
}

/** One sample, or one a second until the client or the container is gone. */
async function stats({ containers }: Parts, call: Call): Promise<void> {
  const query = call.query(statsQuerySchema);
  const { id } = containers.get(call.param("id"));
  const sampler = new StatsSampler();
  const sample = async () => sampler.sample(containers.get(id), await containers.resources.stats(id));
  // The percentage of CPU is that of the second between two samples.
  if (containers.get(id).state === "running" && !query["one-shot"]) {
    await sample();
    await pause(call.signal);
  }
  if (!query.stream) return call.json(await sample());
  call.response.writeHead(200, { "content-type": "application/json" });
  while (!call.signal.aborted) {
    await call.write(Buffer.from(`${JSON.stringify(await sample())}\n`));
    await pause(call.signal);
    if (!containers.list({ all: true }).some((container) => container.id === id)) break;
  }
  call.response.end();
}

/** Until the next sample is due, or at once when the client goes away. */
function pause(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, SAMPLE_MS);
  signal.addEventListener("abort", () => resolve(), { once: true });
  return promise.finally(() => clearTimeout(timer));
}

function top(processes: readonly ContainerProcess[]): TopResponse {
  const bootedAt = Date.now() - uptime() * 1000;
  return {
    Titles: ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"],
    Processes: processes.map((process) => topRow(process, bootedAt)),
  };
}

function topRow({ uid, pid, parent, startedAt, tty, time, command }: ContainerProcess, bootedAt: number): string[] {
  const started = new Date(bootedAt + startedAt * 1000);
  const clock = (seconds: number) =>
    [3600, 60, 1].map((unit, index) => String(Math.floor(seconds / unit) % (index === 0 ? 1e6 : 60)).padStart(2, "0"));
  const stime = `${String(started.getHours()).padStart(2, "0")}:${String(started.getMinutes()).padStart(2, "0")}`;
  return [String(uid), String(pid), String(parent), "0", stime, tty, clock(time).join(":"), command];
}
