/**
 * Devices of the host in a container: nodes made afresh with the host's numbers, which are looked up on the host and
 * never through a path of the image, and the rules of the v1 devices controller that let them be opened.
 */
import { lstatSync, readdirSync, type Stats, statSync } from "node:fs";
import { basename, join } from "node:path";
import { ThawError } from "../common/errors.ts";
import type { DeviceNodeOp } from "../launcher/generated/protocol.ts";
import type { DeviceRequest, Isolation } from "./isolation.ts";
import { hostId, type IdRange } from "./user-namespace.ts";

/** A device as it is on the host now. */
export interface HostDevice {
  readonly path: string;
  /** With the type, as of mknod(2). */
  readonly mode: number;
  readonly major: number;
  readonly minor: number;
  readonly uid: number;
  readonly gid: number;
  readonly access: string;
}

/** What of the host's /dev a privileged container has of its own already. */
const OWN = new Set("console fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero".split(" "));
/** As many as a plan has room for; those that are asked for by name need two operations each. */
const MOST_DEVICES = 256;
const MOST_ASKED = 100;
const TYPE = 0o170000;
const BLOCK = 0o060000;

/** @throws ThawError PATH_NOT_FOUND, INVALID when one is no device, or a directory without any. */
export function hostDevices({ devices = [], privileged }: Isolation): HostDevice[] {
  const asked = devices.flatMap(requested);
  if (asked.length > MOST_ASKED) {
    throw new ThawError(
      "INVALID",
      `${asked.length} devices are too many for one container: expected ${MOST_ASKED} at most`,
      {
        hint: "Name the devices that it needs instead of their directory.",
      },
    );
  }
  if (!privileged) return asked;
  const all = readdirSync("/dev").filter((name) => !OWN.has(name));
  const found = all.flatMap((name) => below(join("/dev", name), join("/dev", name), "rwm"));
  // Terminals of the host's own screen are the many that nobody needs.
  const rank = ({ path }: HostDevice) => (/^\/dev\/(tty|vcs)/.test(path) ? 1 : 0);
  return [...found.toSorted((a, b) => rank(a) - rank(b)).slice(0, MOST_DEVICES - asked.length), ...asked];
}

function requested({ source, target, access }: DeviceRequest): HostDevice[] {
  const stats = statSync(source, { throwIfNoEntry: false });
  if (!stats) {
    throw new ThawError("PATH_NOT_FOUND", `there is no device ${source} on this machine`, { hint: "Check the path." });
  }
  const found = stats.isDirectory() ? below(source, target, access) : deviceOf(target, stats, access);
  if (found.length > 0) return found;
  throw new ThawError("INVALID", `${source} is not a device`, {
    hint: "Files and directories are shown with --volume.",
  });
}

/** The devices of a directory and those below it; links are not followed. */
function below(source: string, target: string, access: string): HostDevice[] {
  const stats = lstatSync(source, { throwIfNoEntry: false });
  if (!stats) return [];
  if (!stats.isDirectory()) return deviceOf(target, stats, access);
  return readdirSync(source).flatMap((name) => below(join(source, name), join(target, basename(name)), access));
}

function deviceOf(path: string, stats: Stats, access: string): HostDevice[] {
  if (!stats.isCharacterDevice() && !stats.isBlockDevice()) return [];
  const { mode, uid, gid, rdev } = stats;
  return [{ path, mode, major: majorOf(rdev), minor: minorOf(rdev), uid, gid, access }];
}

/** Bits as of glibc's sys/sysmacros.h. */
function majorOf(rdev: number): number {
  return (rdev >>> 8) & 0xfff;
}

function minorOf(rdev: number): number {
  return (rdev & 0xff) | ((rdev >>> 12) & 0xfff00);
}

/** Makes the nodes. In a user namespace they belong to those ids inside that they belong to outside. */
export function deviceNodeOps(devices: readonly HostDevice[], ids: IdRange | undefined): DeviceNodeOp[] {
  return devices.map(({ path, mode, major, minor, uid, gid }) => {
    const owner = { uid: hostId(uid, ids), gid: hostId(gid, ids) };
    return { kind: "device_node", path, mode, major, minor, ...owner };
  });
}

/** The rules of devices.allow for them. */
export function deviceRules(devices: readonly HostDevice[]): string[] {
  return devices.map(({ mode, major, minor, access }) => {
    return `${(mode & TYPE) === BLOCK ? "b" : "c"} ${major}:${minor} ${access}`;
  });
}
