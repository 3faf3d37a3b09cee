/** What a container's spec must fulfil before anything is made for it. */
import { statSync } from "node:fs";
import { isAbsolute } from "node:path";
import { ThawError } from "../common/errors.ts";
import { readProfile } from "../sandbox/index.ts";
import { checkIsolation } from "./check-isolation.ts";
import type { ContainerSpec } from "./types.ts";

/** Each is an operation of its plan. */
const MOST_PORTS = 256;
const LONGEST_HOSTNAME = 63;

/** @throws ThawError INVALID, PATH_NOT_FOUND. */
export function checkSpec(spec: ContainerSpec): void {
  checkProgram(spec);
  checkRoot(spec);
  for (const bind of spec.binds) checkBind(bind.source, bind.target);
  checkPorts(spec);
  checkIsolation(spec);
  const seccomp = spec.security?.seccomp;
  if (typeof seccomp === "object") readProfile(seccomp.profile);
}

function checkProgram({ argv, env, cwd, hostname }: ContainerSpec): void {
  if (!argv[0]) {
    throw new ThawError("INVALID", "no program was given, and the image has none", {
      hint: "Name it after the image: thaw run IMAGE PROGRAM [ARGUMENT...]",
    });
  }
  const texts = [...argv, ...env, cwd, hostname];
  if (texts.some((text) => text.includes("\0"))) throw new ThawError("INVALID", "an argument holds a NUL byte");
  if (cwd !== "" && !isAbsolute(cwd)) {
    throw new ThawError("INVALID", `the working directory ${cwd} is not absolute`, { hint: `Use /${cwd}.` });
  }
  if (hostname.length > LONGEST_HOSTNAME || !/^[A-Za-z0-9._-]*$/.test(hostname)) {
    throw new ThawError("INVALID", `${JSON.stringify(hostname)} is not a host name`, {
      hint: `Use at most ${LONGEST_HOSTNAME} letters, digits, dots and dashes.`,
    });
  }
}

function checkRoot({ rootfs, lowers }: ContainerSpec): void {
  if (rootfs === undefined && lowers.length === 0)
    throw new ThawError("INVALID", "neither an image nor a rootfs was given");
  for (const path of [...(rootfs === undefined ? [] : [rootfs]), ...lowers]) {
    if (!isAbsolute(path)) throw new ThawError("INVALID", `the root directory ${path} is not absolute`);
    const stats = statSync(path, { throwIfNoEntry: false });
    if (stats?.isDirectory()) continue;
    throw new ThawError("PATH_NOT_FOUND", `${path} ${stats ? "is not a directory" : "does not exist"}`, {
      hint: "Give a directory that holds a root file system (bin, etc, usr...).",
    });
  }
}

function checkBind(source: string, target: string): void {
  if (!isAbsolute(source) || !isAbsolute(target)) {
    throw new ThawError("INVALID", `the bind ${source}:${target} has a path that is not absolute`, {
      hint: "Write both paths from the root: /on/the/host:/in/the/container",
    });
  }
  if (target.split("/").filter((part) => part !== "" && part !== ".").length === 0) {
    throw new ThawError("INVALID", "the root of a container cannot be bound over", {
      hint: "Use --rootfs for a root.",
    });
  }
  if (statSync(source, { throwIfNoEntry: false })) return;
  throw new ThawError("PATH_NOT_FOUND", `${source} does not exist, so it cannot be bound into the container`, {
    hint: "Make it first, or correct the path.",
  });
}

function checkPorts({ ports, network }: ContainerSpec): void {
  if (ports.length > 0 && network.mode === "host") {
    throw new ThawError("INVALID", "ports are published only by containers with a network of their own", {
      hint: "Leave out --network host, or leave out the ports: they are the host's anyway.",
    });
  }
  if (ports.length > MOST_PORTS) {
    throw new ThawError("INVALID", `${ports.length} published ports are too many`, {
      hint: `A container can publish ${MOST_PORTS}. Use --network host for more.`,
    });
  }
  if (network.mode === "none" && ports.some(({ protocol }) => protocol === "udp")) {
    throw new ThawError("INVALID", "UDP ports are published only by containers in a bridge network", {
      hint: "Leave out --network none.",
    });
  }
  for (const { hostPort, containerPort } of ports) {
    for (const port of [hostPort, containerPort]) {
      if (!Number.isInteger(port) || port < 1 || port > 65535) {
        throw new ThawError("INVALID", `${port} is not a port`, { hint: "Ports are 1 to 65535." });
      }
    }
  }
}
