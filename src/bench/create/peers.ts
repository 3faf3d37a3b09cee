/**
 * Whole commands that run /bin/true in a container on one root: thaw's, and those of other programs where they are
 * installed. Each is tried once before it is measured; one that fails is reported as failing, never counted as slow.
 */
import { cp, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { ownProgram } from "../../cli/start-daemon.ts";
import { exec } from "../../common/exec.ts";
import { dockerPeers, podmanPeers } from "./engines.ts";
import { absent, attempt, complaint, environment, type Ground, type Peer, type Prepared, WITHOUT_V2 } from "./peer.ts";

const IMAGE = "thaw-bench";

/** All that can be compared here. */
export async function preparePeers(root: string, directory: string, signal: AbortSignal): Promise<Prepared> {
  const archive = join(directory, "root.tar");
  await exec(["tar", "-C", root, "-cf", archive, "."], { signal });
  const ground = { root, archive, directory, signal };
  const parts: Prepared[] = [];
  const remove = async () => {
    for (const part of parts) await part.remove();
  };
  try {
    for (const prepare of [thawPeers, smallPeers, podmanPeers, dockerPeers]) parts.push(await prepare(ground));
  } catch (error) {
    await remove();
    throw error;
  }
  const host: Peer = { name: "host /bin/true", argv: ["/bin/true"] };
  return { peers: [host, ...parts.flatMap(({ peers }) => peers)], remove };
}

/** A daemon in directories of its own, which the first command starts. */
async function thawPeers({ root, directory, signal }: Ground): Promise<Prepared> {
  const env = { THAW_DATA: join(directory, "data"), THAW_RUN: join(directory, "run") };
  const program = ownProgram();
  const context = join(directory, "context");
  await mkdir(context, { recursive: true });
  await cp(root, join(context, "root"), { recursive: true });
  await Bun.write(join(context, "Dockerfile"), "FROM scratch\nCOPY root /\n");
  const remove = async () => {
    await exec([...program, "daemon", "stop", "--force"], { env: { ...environment(), ...env } });
  };
  const made = await attempt({ env }, [...program, "build", "-t", IMAGE, context], signal);
  const run = (name: string, ...argv: string[]): Peer => ({ name, argv: [...program, "run", "--rm", ...argv], env });
  const ofImage = (name: string, ...argv: string[]): Peer => {
    if (made.exitCode === 0) return run(name, ...argv, IMAGE, "/bin/true");
    return { name, absent: `thaw build fails here: ${complaint(made.stderr)}` };
  };
  const peers = [
    run("thaw run --rootfs", "--rootfs", root, "--", "/bin/true"),
    ofImage("thaw run IMAGE"),
    ofImage("thaw run --network none", "--network", "none"),
    ofImage("thaw run --lean", "--lean"),
  ];
  return { peers, remove };
}

/** Programs that make a container and keep no images. */
async function smallPeers(ground: Ground): Promise<Prepared> {
  const { root } = ground;
  const bwrap = Bun.which("bwrap");
  const options = ["--unshare-all", "--ro-bind", root, "/", "--proc", "/proc", "--dev", "/dev", "/bin/true"];
  const peers: Peer[] = [
    bwrap === null ? absent("bwrap --unshare-all") : { name: "bwrap --unshare-all", argv: [bwrap, ...options] },
    await bundlePeer("crun", ground),
    await bundlePeer("runc", ground),
  ];
  return { peers, remove: async () => {} };
}

/** An OCI runtime: it wants a bundle, made by its own `spec`, without a terminal. */
async function bundlePeer(program: string, { root, directory, signal }: Ground): Promise<Peer> {
  const name = `${program} run`;
  const path = Bun.which(program);
  if (path === null) return absent(name);
  const bundle = join(directory, program);
  await mkdir(bundle, { recursive: true });
  const made = await attempt({}, [path, "spec"], signal, bundle);
  if (made.exitCode !== 0) return { name, absent: `${program} spec fails here: ${complaint(made.stderr)}` };
  const spec = await Bun.file(join(bundle, "config.json")).json();
  spec.process.terminal = false;
  spec.process.args = ["/bin/true"];
  spec.root = { path: root, readonly: true };
  await Bun.write(join(bundle, "config.json"), JSON.stringify(spec));
  const id = `thaw-bench-${process.pid}`;
  const argv = [path, "--root", join(directory, `${program}-state`), "run", "--bundle", bundle, id];
  const prefix = ["unshare", "--mount", "sh", "-c", `${WITHOUT_V2} && exec "$0" "$@"`];
  return { name, argv, otherwise: { name, argv, prefix, note: "without the v2 tree, which it refuses beside v1" } };
}
