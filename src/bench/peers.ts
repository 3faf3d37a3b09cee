/**
 * Whole commands that run /bin/true in a container on one root: thaw's, and those of other runtimes where they are
 * installed. A peer that fails is reported as failing, never counted as slow.
 */
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { ownProgram } from "../cli/start-daemon.ts";
import { exec } from "../common/exec.ts";
import { type Op, Role, Wait } from "../launcher/generated/protocol.ts";

export interface Peer {
  readonly name: string;
  /** Undefined: not on this machine, `absent` says so. */
  readonly argv: readonly string[] | undefined;
  readonly absent?: string;
  /** Undefined when a run of it succeeds, else why not. */
  readonly check?: () => Promise<string | undefined>;
  readonly cleanup?: () => Promise<void>;
}

/** A plan that starts a command of the host and waits for it: nothing of a container. */
export function commandPlan(argv: readonly string[]): Op[] {
  const env = Object.entries(process.env).flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${value}`]));
  return [
    { kind: "spawn", role: Role.main, wait: Wait.exec, namespaces: 0n, join: 0 },
    { kind: "stdio_at", stdin: 0, stdout: 1, stderr: 2 },
    { kind: "exec", path: argv[0] ?? "", argv, env },
  ];
}

/** All that can be compared here. `directory` takes their files. */
export async function listPeers(root: string, directory: string): Promise<Peer[]> {
  return [
    { name: "host /bin/true", argv: ["/bin/true"] },
    checked({ name: "thaw run", argv: [...ownProgram(), "run", "--rm", "--rootfs", root, "--", "/bin/true"] }),
    peer("bwrap --unshare-all", "bwrap", (program) => [
      ...[program, "--unshare-all", "--ro-bind", root, "/", "--proc", "/proc", "--dev", "/dev"],
      "/bin/true",
    ]),
    await bundlePeer("runc run", "runc", root, directory),
    await bundlePeer("crun run", "crun", root, directory),
  ];
}

function checked(one: Peer): Peer {
  const check = async () => {
    const { exitCode, stderr } = await exec(one.argv ?? []);
    return exitCode === 0 ? undefined : `fails here: ${stderr.trim().split("\n").at(-1) ?? ""}`.slice(0, 90);
  };
  return { ...one, check };
}

function peer(name: string, program: string, argv: (path: string) => string[]): Peer {
  const path = Bun.which(program);
  return path === null
    ? { name, argv: undefined, absent: `${program} is not installed` }
    : checked({ name, argv: argv(path) });
}

/** An OCI runtime: it wants a bundle, made by its own `spec`, without a terminal. */
async function bundlePeer(name: string, program: string, root: string, directory: string): Promise<Peer> {
  const path = Bun.which(program);
  if (path === null) return { name, argv: undefined, absent: `${program} is not installed` };
  const bundle = join(directory, program);
  await mkdir(bundle, { recursive: true });
  await rm(join(bundle, "config.json"), { force: true });
  const made = await exec([path, "spec"], { cwd: bundle });
  if (made.exitCode !== 0) return { name, argv: undefined, absent: `${program} spec fails` };
  const spec = await Bun.file(join(bundle, "config.json")).json();
  spec.process.terminal = false;
  spec.process.args = ["/bin/true"];
  spec.root = { path: root, readonly: true };
  await Bun.write(join(bundle, "config.json"), JSON.stringify(spec));
  const id = `thaw-bench-${process.pid}-${program}`;
  return checked({ name, argv: [path, "--root", join(directory, `${program}-state`), "run", "--bundle", bundle, id] });
}
