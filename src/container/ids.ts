/**
 * Which of the host's ids a container with a user namespace gets: 65,536 that no other container of this daemon has and
 * nobody else was given. They are kept in the container's row and so are free again when the row is gone.
 *
 * The administrator may say where they are taken from by a line "thaw:FIRST:COUNT" in /etc/subuid. Without one it is
 * everything from 2^20 up to 2^31 but what that file gives to others; a daemon begins to look at a place that depends on
 * its data directory, so that two daemons, which do not know of each other, hardly ever choose the same.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { ThawError } from "../common/errors.ts";
import type { IdRange } from "../sandbox/index.ts";
import type { Container, ContainerSpec } from "./types.ts";

/** What an image may use: user ids of more than 16 bits are rare, and such files belong to nobody inside. */
export const IDS_EACH = 65_536;

const DEFAULT_AREA: IdRange = { first: 2 ** 20, count: 2 ** 31 - 2 ** 20 };
const OUR_NAME = "thaw";

/** What the machine says about ids. */
export interface IdSources {
  /** Texts of /etc/subuid and /etc/subgid. */
  readonly given: readonly string[];
  /** Texts of /proc/self/uid_map and gid_map: what this process has itself. */
  readonly own: readonly string[];
}

/** `spec` with ids, when it wants a user namespace. @throws ThawError UNSUPPORTED_MACHINE. */
export function withIds(spec: ContainerSpec, others: readonly Container[], dataDirectory: string): ContainerSpec {
  if (!spec.userns) return spec;
  const taken = others.flatMap((container) => container.spec.userns?.ids ?? []);
  return { ...spec, userns: { ids: chooseIds(taken, dataDirectory, idSources()) } };
}

function idSources(): IdSources {
  const read = (path: string) => {
    try {
      return readFileSync(path, "utf8");
    } catch {
      return "";
    }
  };
  return {
    given: [read("/etc/subuid"), read("/etc/subgid")],
    own: [read("/proc/self/uid_map"), read("/proc/self/gid_map")],
  };
}

/** A range that is nobody's. @throws ThawError UNSUPPORTED_MACHINE when there is none. */
export function chooseIds(taken: readonly IdRange[], dataDirectory: string, sources: IdSources): IdRange {
  const given = sources.given.map(parseGiven);
  const area = given.flat().find(({ name }) => name === OUR_NAME) ?? DEFAULT_AREA;
  const others = given.flat().filter(({ name }) => name !== OUR_NAME);
  const slots = Math.floor(area.count / IDS_EACH);
  const start = area === DEFAULT_AREA ? startOf(dataDirectory, slots) : 0;
  const used = new Set([...taken, ...others].flatMap((range) => slotsOf(range, area, slots)));
  for (let n = 0; n < slots; n++) {
    const slot = (start + n) % slots;
    const range = { first: area.first + slot * IDS_EACH, count: IDS_EACH };
    if (!used.has(slot) && sources.own.every((map) => covers(map, range))) return range;
  }
  throw new ThawError("UNSUPPORTED_MACHINE", `no ${IDS_EACH} ids are left for a user namespace`, {
    hint: 'Remove containers, or give thaw more ids: a line like "thaw:1048576:6553600" in /etc/subuid and /etc/subgid.',
  });
}

function startOf(dataDirectory: string, slots: number): number {
  return createHash("sha256").update(dataDirectory).digest().readUInt32BE() % slots;
}

/** Lines "name:first:count"; others are left out. */
function parseGiven(text: string): (IdRange & { name: string })[] {
  return text.split("\n").flatMap((line) => {
    const [, name, first, count] = /^([^:#\s]+):(\d{1,10}):(\d{1,10})\s*$/.exec(line) ?? [];
    return name === undefined ? [] : [{ name, first: Number(first), count: Number(count) }];
  });
}

/** The slots of the area that a range has a part of. */
function slotsOf(range: IdRange, area: IdRange, slots: number): number[] {
  const begin = Math.max(0, Math.floor((range.first - area.first) / IDS_EACH));
  const end = Math.min(slots, Math.ceil((range.first + range.count - area.first) / IDS_EACH));
  return Array.from({ length: Math.max(0, end - begin) }, (_, index) => begin + index);
}

/** Whether a uid_map ("inside outside count" a line) has all of a range on its inside. An unreadable one says nothing. */
function covers(map: string, range: IdRange): boolean {
  const lines = map.split("\n").flatMap((line) => {
    const [inside, , count] = line.trim().split(/\s+/).map(Number);
    return inside === undefined || count === undefined ? [] : [{ first: inside, count }];
  });
  const whole = ({ first, count }: IdRange) => first <= range.first && first + count >= range.first + range.count;
  return lines.length === 0 || lines.some(whole);
}
