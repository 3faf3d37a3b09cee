/**
 * Routes about the daemon and the machine.
 */
import { readFileSync } from "node:fs";
import { cpus, hostname, release, totalmem } from "node:os";
import type { RouteName } from "../../api/routes.ts";
import { API_VERSION, type InfoAnswer, MIN_API_VERSION, type VersionAnswer } from "../../api/system.ts";
import { daemonStatusQuerySchema, daemonStopSchema } from "../../api/thaw.ts";
import { VERSION } from "../../common/version.ts";
import type { Call, Handler } from "../call.ts";
import { heldMemory } from "../memory.ts";
import type { Parts } from "../parts.ts";

type SystemRoutes = "ping" | "pingHead" | "version" | "info" | "daemonStatus" | "daemonStop";

export function systemRoutes(parts: Parts): Record<SystemRoutes & RouteName, Handler> {
  return {
    ping,
    pingHead: ping,
    version: async (call) => call.json(version()),
    info: async (call) => call.json(info(parts)),
    daemonStatus: async (call) => {
      const { memory } = call.query(daemonStatusQuerySchema);
      call.json(memory ? { ...parts.control.status(), memory: heldMemory() } : parts.control.status());
    },
    daemonStop: async (call) => {
      const { force } = await call.body(daemonStopSchema);
      const end = await parts.control.stop(force);
      call.response.once("close", end);
      call.json({});
    },
  };
}

async function ping(call: Call): Promise<void> {
  call.response.writeHead(200, {
    "content-type": "text/plain; charset=utf-8",
    "cache-control": "no-cache",
    ostype: "linux",
  });
  call.response.end(call.request.method === "HEAD" ? "" : "OK");
}

function version(): VersionAnswer {
  return {
    Platform: { Name: "thaw" },
    Version: VERSION,
    ApiVersion: API_VERSION,
    MinAPIVersion: MIN_API_VERSION,
    Os: "linux",
    Arch: architecture(),
    KernelVersion: release(),
    Components: [
      { Name: "Engine", Version: VERSION },
      { Name: "Bun", Version: Bun.version },
    ],
  };
}

function info({ containers, images, control }: Parts): InfoAnswer {
  const all = containers.list({ all: true });
  const running = all.filter(({ state }) => state === "running").length;
  return {
    ID: hostname(),
    Name: hostname(),
    ServerVersion: VERSION,
    Containers: all.length,
    ContainersRunning: running,
    ContainersPaused: 0,
    ContainersStopped: all.length - running,
    Images: images.list().length,
    Driver: "overlay2",
    OSType: "linux",
    OperatingSystem: operatingSystem(),
    Architecture: architecture(),
    KernelVersion: release(),
    NCPU: cpus().length,
    MemTotal: totalmem(),
    DockerRootDir: control.status().dataDirectory,
    MemoryLimit: true,
    PidsLimit: true,
    CPUCfsQuota: true,
  };
}

function architecture(): string {
  return process.arch === "x64" ? "amd64" : process.arch;
}

function operatingSystem(): string {
  try {
    return /^PRETTY_NAME="?([^"\n]*)/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1] ?? "Linux";
  } catch {
    return "Linux";
  }
}
