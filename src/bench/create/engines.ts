/**
 * podman and docker as peers. Podman keeps its images in a directory of ours and runs in mount and network namespaces
 * of its own, with an empty /run and /var/lib, so that its bridge, its firewall rules and its records end with the
 * benchmark. Docker has an engine that is there or not; an image is imported and removed again.
 */
import { readFileSync } from "node:fs";
import { mkdir, readdir, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { exec } from "../../common/exec.ts";
import { absent, attempt, complaint, type Ground, type Peer, type Prepared, WITHOUT_V2 } from "./peer.ts";

const NETWORKS = ["none", "bridge"] as const;
const SURROUNDINGS = [
  ...["/run", "/var/lib", "/dev/shm"].map((path) => `mount -t tmpfs tmpfs ${path}`),
  "ip link set lo up",
];
/** Parent of podman's containers with the cgroup manager that needs no systemd. */
const PODMAN_PARENT = "libpod_parent";
const NOTHING = async () => {};

/** `podman run` with its own choice of runtime, and with runc where that one refuses. */
export async function podmanPeers({ archive, directory, signal }: Ground): Promise<Prepared> {
  const names = NETWORKS.map((network) => `podman run --network ${network}`);
  const program = Bun.which("podman");
  if (program === null) return { peers: names.map(absent), remove: NOTHING };
  const home = join(directory, "podman");
  await mkdir(home, { recursive: true });
  const before = await podmanCgroups();
  const prefix = surroundings(SURROUNDINGS);
  const podman = [program, "--root", join(home, "storage"), "--runroot", "/run/podman", "--cgroup-manager", "cgroupfs"];
  podman.push("--events-backend", "none", "--network-config-dir", join(home, "networks"));
  const image = "localhost/thaw-bench:latest";
  const remove = async () => removePodmanCgroups(before);
  const made = await attempt({ prefix }, [...podman, "import", archive, image], signal);
  const peers = NETWORKS.map((network, index): Peer => {
    const name = names[index] ?? "podman run";
    if (made.exitCode !== 0) return { name, absent: `podman import fails here: ${complaint(made.stderr)}` };
    // Its own limits of files and processes may be above what this process may give.
    const limits = ["nofile", "nproc"].flatMap((what) => ["--ulimit", `${what}=1024:1024`]);
    const run = ["run", "--rm", ...limits, "--network", network, image, "/bin/true"];
    const own: Peer = { name, argv: [...podman, ...run], prefix };
    const v1: Peer = { ...own, prefix: surroundings([...SURROUNDINGS, WITHOUT_V2]), note: "without the v2 tree" };
    const runc: Peer = { ...own, argv: [...podman, "--runtime", "runc", ...run], note: "with runc" };
    return { ...own, otherwise: { ...runc, otherwise: v1 } };
  });
  return { peers, remove };
}

function surroundings(commands: readonly string[]): string[] {
  return ["unshare", "--mount", "--net", "sh", "-c", `${[...commands, 'exec "$0" "$@"'].join(" && ")}`];
}

async function podmanCgroups(): Promise<Set<string>> {
  const found = new Set<string>();
  const mounts = [...readFileSync("/proc/self/mounts", "utf8").matchAll(/^\S+ (\S+) cgroup2? /gm)];
  for (const [, mount = ""] of mounts) {
    const names = await readdir(mount).catch((): string[] => []);
    if (names.includes(PODMAN_PARENT)) found.add(join(mount, PODMAN_PARENT));
  }
  return found;
}

async function removePodmanCgroups(before: ReadonlySet<string>): Promise<void> {
  for (const path of await podmanCgroups()) if (!before.has(path)) await removeEmpty(path);
}

async function removeEmpty(path: string): Promise<void> {
  for (const entry of await readdir(path, { withFileTypes: true })) {
    if (entry.isDirectory()) await removeEmpty(join(path, entry.name));
  }
  // Somebody else may have begun to use it.
  await rmdir(path).catch(() => {});
}

/** `docker run`, where an engine answers. */
export async function dockerPeers({ archive, signal }: Ground): Promise<Prepared> {
  const names = NETWORKS.map((network) => `docker run --network ${network}`);
  const program = Bun.which("docker");
  if (program === null) return { peers: names.map(absent), remove: NOTHING };
  const asked = await attempt({}, [program, "version", "--format", "{{.Server.Version}}"], signal);
  const image = `thaw-bench:${process.pid}`;
  const made = asked.exitCode === 0 ? await attempt({}, [program, "import", archive, image], signal) : asked;
  if (made.exitCode !== 0) {
    const why =
      asked.exitCode === 0 ? `docker import fails here: ${complaint(made.stderr)}` : "no docker engine answers";
    return { peers: names.map((name) => ({ name, absent: why })), remove: NOTHING };
  }
  const peers = NETWORKS.map((network, index): Peer => {
    const argv = [program, "run", "--rm", "--network", network, image, "/bin/true"];
    return { name: names[index] ?? "docker run", argv };
  });
  return { peers, remove: async () => void (await exec([program, "rmi", "--force", image])) };
}
