/**
 * Everything that a daemon's containers consist of, counted where it is: in the database, with the launcher, in the
 * kernel, on the disk. When no container is there all of it is nothing, but for what the pool keeps ready, which is
 * known by its owner's name and not counted.
 */
import { Database } from "bun:sqlite";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { basename, join } from "node:path";
import { exec } from "../../common/exec.ts";
import type { Paths } from "../../common/paths.ts";
import { ContainerState } from "../../launcher/generated/protocol.ts";
import { LauncherClient } from "../../launcher/index.ts";
import { Cgroups, detectCgroups } from "../../sandbox/index.ts";
import { processTree } from "./processes.ts";

const AHEAD = /^pool-/;
/** What the parents have beside the leaves of containers. */
const OWN_LEAF = /^(all|spare-\d+)$/;
const NFT_ENV = { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" };
const INTERFACE_DIGITS = 6;

/** Names of what there is, by kind. */
export interface Census {
  /** Ids of containers whose rows say that they run. */
  readonly running: readonly string[];
  /** Ids of all rows. */
  readonly rows: readonly string[];
  /** Ids that the launcher has, those of the pool left out. */
  readonly records: readonly string[];
  /** Owners of addresses. */
  readonly endpoints: readonly string[];
  readonly leaves: readonly string[];
  /** Process ids with names: everything below launcher and keeper, or in a leaf. */
  readonly processes: readonly string[];
  readonly zombies: readonly string[];
  readonly namespaces: readonly string[];
  readonly veths: readonly string[];
  readonly elements: readonly string[];
  readonly mounts: readonly string[];
  readonly directories: readonly string[];
  /** Sandboxes that the pool keeps ready, and leaves that wait to be used again. */
  readonly parked: number;
  readonly spares: number;
}

/** Counts. The daemon need not be there; what a launcher has is nothing while none is. */
export async function takeCensus(paths: Paths): Promise<Census> {
  const cgroups = new Cgroups(detectCgroups(), paths.run);
  const parents = cgroups.layout.hierarchies.map(({ mount }) => join(mount, cgroups.parent));
  const [records, elements] = await Promise.all([launcherRecords(paths), mapElements(cgroups.parent)]);
  const { rows, endpoints } = readDatabase(paths);
  const all = parents.flatMap((parent) => directoriesIn(parent).map((name) => join(parent, name)));
  const leaves = all.filter((path) => !AHEAD.test(basename(path)) && !OWN_LEAF.test(basename(path)));
  const processes = processTree(paths, leaves);
  const ahead = new Set(endpoints.filter(({ owner }) => AHEAD.test(owner)).map(({ veth }) => veth));
  const ours = cgroups.parent.slice("thaw-".length, "thaw-".length + INTERFACE_DIGITS);
  const list = (directory: string) => directoriesIn(directory).map((name) => join(basename(directory), name));
  return {
    running: rows.filter(({ state }) => state === "running").map(({ id }) => id),
    rows: rows.map(({ id }) => id),
    records: records.filter(({ id }) => !AHEAD.test(id)).map(({ id }) => id),
    endpoints: endpoints.map(({ owner }) => owner).filter((owner) => !AHEAD.test(owner)),
    leaves,
    processes: processes.filter(({ state }) => state !== "Z").map(({ pid, name }) => `${pid} ${name}`),
    zombies: processes.filter(({ state }) => state === "Z").map(({ pid, name }) => `${pid} ${name}`),
    namespaces: [...new Set(processes.flatMap(({ pid }) => networkNamespace(pid)))],
    veths: directoriesIn("/sys/class/net").filter((name) => name.includes(`${ours}v`) && !ahead.has(name)),
    elements,
    mounts: readFileSync("/proc/self/mounts", "utf8")
      .split("\n")
      .filter((line) => line.includes(paths.data)),
    directories: [...list(paths.containers), ...list(paths.tmp)],
    parked: records.filter(({ state }) => state === ContainerState.parked).length,
    spares: all.filter((path) => /^spare-/.test(basename(path))).length,
  };
}

function directoriesIn(path: string): string[] {
  try {
    return readdirSync(path, { withFileTypes: true })
      .filter((entry) => !entry.isFile())
      .map(({ name }) => name);
  } catch {
    return []; // There is none.
  }
}

async function launcherRecords({ launcherSocket }: Paths) {
  try {
    const client = await LauncherClient.connect(launcherSocket);
    try {
      return (await client.list()).containers;
    } finally {
      client.close();
    }
  } catch {
    return []; // None is there at this moment.
  }
}

interface Endpoint {
  readonly owner: string;
  readonly veth: string;
}

function readDatabase(paths: Paths): { rows: { id: string; state: string }[]; endpoints: Endpoint[] } {
  const database = new Database(paths.database, { readonly: true });
  try {
    database.run("PRAGMA busy_timeout = 5000");
    const rows = database.query<{ id: string; state: string }, []>("SELECT id, state FROM containers").all();
    const places = database.query<{ owner: string; content: string }, []>("SELECT owner, content FROM endpoints").all();
    // The table is written by NetworkStore only.
    const vethOf = (content: string) => (JSON.parse(content) as Endpoint).veth;
    return { rows, endpoints: places.map(({ owner, content }) => ({ owner, veth: vethOf(content) })) };
  } finally {
    database.close();
  }
}

/** Elements of the table's maps: one a published port. */
async function mapElements(table: string): Promise<string[]> {
  const { exitCode, stdout } = await exec(["nft", "-j", "list", "table", "inet", table], { env: NFT_ENV });
  if (exitCode !== 0) return [];
  // nft's own format.
  const { nftables } = JSON.parse(stdout) as { nftables: { map?: { name: string; elem?: unknown[] } }[] };
  return nftables.flatMap(({ map }) => (map?.elem ?? []).map((element) => `${map?.name} ${JSON.stringify(element)}`));
}

function networkNamespace(pid: number): string[] {
  try {
    const name = readlinkSync(`/proc/${pid}/ns/net`);
    return name === readlinkSync("/proc/self/ns/net") ? [] : [name];
  } catch {
    return []; // It ended meanwhile.
  }
}

/** What should not be when only these containers run, in words. Empty: all agree. */
export function disagreements(census: Census, alive: readonly string[] = []): string[] {
  const wanted = new Set(alive);
  const strange = (kind: string, names: readonly string[], nameOf = (name: string) => name) =>
    names.filter((name) => !wanted.has(nameOf(name))).map((name) => `${kind} ${name}`);
  const missing = (kind: string, names: readonly string[]) =>
    alive.filter((id) => !names.includes(id)).map((id) => `no ${kind} of ${id}`);
  const found = (kind: string, names: readonly string[], most: number) =>
    names.length <= most ? [] : [`${names.length} ${kind} instead of ${most}: ${names.slice(0, 5).join(", ")}`];
  const { running, records, endpoints, leaves, processes, zombies, namespaces, veths, elements, mounts } = census;
  return [
    ...[...strange("row of", running), ...missing("row", running)],
    ...[...strange("record of", records), ...missing("record", records)],
    ...strange("address of", endpoints),
    ...strange("leaf", leaves, (path) => basename(path)),
    // An init and a program each.
    ...found("processes", processes, 2 * alive.length),
    ...found("zombies", zombies, 0),
    ...found("network namespaces", namespaces, alive.length),
    ...found("veths", veths, endpoints.length),
    ...found("nft elements", elements, endpoints.length),
    ...found("mounts", mounts, 0),
  ];
}
