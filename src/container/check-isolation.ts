/**
 * What a container's isolation options must fulfil together and on this machine; what each of them must look like is
 * the API's affair.
 */
import { readFileSync, realpathSync } from "node:fs";
import { ThawError } from "../common/errors.ts";
import { hostDevices, type Isolation, sysctlProblem } from "../sandbox/index.ts";
import type { Bind, ContainerSpec } from "./types.ts";

const MOST_OF_A_KIND = 50;

/** @throws ThawError INVALID, PATH_NOT_FOUND. */
export function checkIsolation(spec: ContainerSpec): void {
  const isolation = spec.isolation ?? {};
  checkAmounts(spec, isolation);
  checkTargets(spec, isolation);
  checkNamespaces(spec, isolation);
  checkSysctls(spec, isolation);
  hostDevices(isolation);
  for (const bind of spec.binds) if (bind.propagation !== undefined) checkPropagation(bind);
}

/** As many of each kind as a plan has room for, all of them together. */
function checkAmounts({ binds }: ContainerSpec, isolation: Isolation): void {
  const { tmpfs = [], sysctls = {}, ulimits = [], maskedPaths = [], readonlyPaths = [] } = isolation;
  const amounts: [what: string, amount: number][] = [
    ["mounts", binds.length + tmpfs.length],
    ["sysctls", Object.keys(sysctls).length],
    ["limits", ulimits.length],
    ["hidden and read-only paths", maskedPaths.length + readonlyPaths.length],
  ];
  for (const [what, amount] of amounts) {
    if (amount <= MOST_OF_A_KIND) continue;
    throw new ThawError(
      "INVALID",
      `${amount} ${what} are too many for one container: expected ${MOST_OF_A_KIND} at most`,
      {
        hint: "Bring them together, such as by a bind of the directory above.",
      },
    );
  }
}

function checkTargets({ binds }: ContainerSpec, { tmpfs = [] }: Isolation): void {
  const seen = new Set<string>();
  for (const { target } of [...binds, ...tmpfs]) {
    const path = `/${target.split("/").filter(Boolean).join("/")}`;
    if (path === "/") throw new ThawError("INVALID", "nothing can be mounted over the root of a container");
    if (/(^|\/)\.\.(\/|$)/.test(target)) {
      throw new ThawError("INVALID", `the mount point ${target} has .. in it`, { hint: "Write the path without it." });
    }
    if (/^\/(proc|sys)(\/|$)/.test(path)) {
      throw new ThawError("INVALID", `${target} cannot be a mount point: /proc and /sys are the container's own`, {
        hint: "Choose another place in the container.",
      });
    }
    if (seen.has(path)) {
      throw new ThawError("INVALID", `two mounts have the same place ${path} in the container`, {
        hint: "Leave one of them out.",
      });
    }
    seen.add(path);
  }
}

function checkNamespaces(spec: ContainerSpec, isolation: Isolation): void {
  const { hostNamespaces = [], domainname, extraHosts = [], privileged } = isolation;
  if (hostNamespaces.includes("uts") && (spec.hostname !== "" || domainname)) {
    throw new ThawError("INVALID", "a container with the host's UTS namespace has the host's name", {
      hint: "Leave out either --uts host or --hostname and --domainname.",
    });
  }
  const shared = spec.binds.some(({ propagation }) => propagation?.endsWith("shared"));
  if (spec.userns && (privileged || hostNamespaces.length > 0 || shared)) {
    throw new ThawError(
      "INVALID",
      "a user namespace goes with neither --privileged, nor the host's namespaces, nor shared binds",
      {
        hint: "Leave out --userns auto, or those.",
      },
    );
  }
  if (spec.network.mode === "none" && extraHosts.some((entry) => entry.endsWith("host-gateway"))) {
    throw new ThawError("INVALID", "host-gateway: from the network `none` the host cannot be reached", {
      hint: "Give the container a network, or an address.",
    });
  }
}

function checkSysctls(spec: ContainerSpec, { sysctls = {}, hostNamespaces = [] }: Isolation): void {
  const own = { ipc: !hostNamespaces.includes("ipc"), net: spec.network.mode !== "host" };
  for (const name of Object.keys(sysctls)) {
    const problem = sysctlProblem(name, own);
    if (problem === undefined) continue;
    throw new ThawError("INVALID", `the sysctl ${name} ${problem}`, {
      hint: "Allowed are net.*, kernel.shm*, kernel.msg*, kernel.sem and fs.mqueue.* in namespaces of its own.",
    });
  }
}

/** A mount reaches the host, or comes from it, only where the host's own mount takes part in that. */
function checkPropagation({ source, propagation = "rprivate" }: Bind): void {
  const wanted = /shared$/.test(propagation)
    ? /^shared:/
    : /slave$/.test(propagation)
      ? /^(shared|master):/
      : undefined;
  if (wanted === undefined) return;
  const mount = mountOf(source);
  if (mount.tags.some((tag) => wanted.test(tag))) return;
  throw new ThawError("INVALID", `${source}: its mount ${mount.point} is not shared, as ${propagation} needs`, {
    hint: `Share it first: mount --make-shared ${mount.point}`,
  });
}

/** The mount that a path of the host lies in, and how it propagates. */
function mountOf(path: string): { point: string; tags: string[] } {
  const real = realpathSync(path);
  const lines = readFileSync("/proc/self/mountinfo", "utf8").split("\n").filter(Boolean);
  const mounts = lines.map((line) => {
    const fields = line.split(" ");
    const end = fields.indexOf("-");
    const point = (fields[4] ?? "").replace(/\\(\d{3})/g, (_, code: string) => String.fromCharCode(parseInt(code, 8)));
    return { point, tags: fields.slice(6, end) };
  });
  const above = mounts.filter(({ point }) => point === "/" || real === point || real.startsWith(`${point}/`));
  // The deepest, and of several in one place the last.
  return above.reduce((best, mount) => (mount.point.length >= best.point.length ? mount : best), {
    point: "",
    tags: [],
  });
}
