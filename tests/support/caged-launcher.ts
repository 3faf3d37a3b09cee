/**
 * A launcher that can be told anything: it runs in namespaces and a root of its own, made by the launcher's own `run`,
 * so that whatever a senseless plan does to "the host" happens to a temporary directory. One real cgroup is in there.
 */
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  encodeFrame,
  encodePlan,
  type LauncherEvent,
  type Message,
  type Op,
  PROTOCOL_VERSION,
  Role,
  Wait,
} from "../../src/launcher/generated/protocol.ts";
import { findLauncher } from "../../src/launcher/index.ts";
import { Cgroups, detectCgroups } from "../../src/sandbox/index.ts";
import { RawConnection } from "./raw-connection.ts";
import { until } from "./world.ts";

const NEW_EVERYTHING = 0x7e020000n; // mnt, cgroup, uts, ipc, pid, net; and user is taken out below
const NEW_USER = 0x10000000n;
/** What the launcher has that it should not have at rest. */
export interface Belongings {
  readonly mounts: readonly string[];
  readonly processes: readonly number[];
  readonly cgroups: readonly string[];
  readonly descriptors: number;
}

export class CagedLauncher implements AsyncDisposable {
  readonly directory = mkdtempSync(join(tmpdir(), "thaw-test-"));
  readonly root = join(this.directory, "root");
  readonly socket = join(this.root, "run/l.sock");
  readonly #cgroups = new Cgroups(detectCgroups(), this.directory);
  readonly #leaf = this.#cgroups.leaves("cage").at(-1) ?? "";
  #child: Bun.Subprocess | undefined;
  #control: RawConnection | undefined;
  #tag = 1n;

  /** Starts it. Inside, /cg is a cgroup, and /tmp can be used. */
  async start(): Promise<void> {
    for (const name of ["bin", "proc", "dev", "run", "tmp", "cg"])
      mkdirSync(join(this.root, name), { recursive: true });
    copyFileSync(findLauncher(), join(this.root, "bin/thaw-launcher"));
    await this.#cgroups.prepare();
    mkdirSync(this.#leaf);
    writeFileSync(join(this.directory, "plan"), encodePlan(this.#plan()));
    const argv = ["sh", "-c", 'exec "$0" run --plan-fd 3 --stage "$1" 3<"$2"', findLauncher()];
    mkdirSync(join(this.directory, "stage"));
    this.#child = Bun.spawn([...argv, join(this.directory, "stage"), join(this.directory, "plan")], {
      stdio: ["ignore", "ignore", Bun.file(join(this.directory, "log"))],
    });
    await until(() => this.#connect());
  }

  #plan(): Op[] {
    return [
      { kind: "spawn", role: Role.main, wait: Wait.exec, namespaces: NEW_EVERYTHING & ~NEW_USER, join: 0 },
      { kind: "die_with_parent" },
      { kind: "mounts_private" },
      { kind: "root_bind", path: this.root, readonly: 0 },
      { kind: "mount", fstype: "proc", target: "/proc", flags: 0n, options: "" },
      { kind: "mount", fstype: "tmpfs", target: "/dev", flags: 0n, options: "" },
      { kind: "make_node", path: "/dev/null", mode: 0o020666, major: 1, minor: 3 },
      { kind: "bind", source: this.#leaf, target: "/cg", readonly: 0, recursive: 0 },
      { kind: "pivot" },
      { kind: "stdio_at", stdin: 0, stdout: 1, stderr: 2 },
      {
        kind: "exec",
        path: "/bin/thaw-launcher",
        argv: ["thaw-launcher", "serve", "--socket", "/run/l.sock"],
        env: [],
      },
    ];
  }

  async #connect(): Promise<boolean> {
    if (this.#child?.exitCode !== null) throw new Error(readFileSync(join(this.directory, "log"), "utf8"));
    const connection = await RawConnection.open(this.socket).catch(() => undefined);
    if (connection === undefined) return false;
    this.#control = connection;
    await this.request({ kind: "hello", version: PROTOCOL_VERSION });
    return true;
  }

  get control(): RawConnection {
    if (this.#control === undefined) throw new Error("it was not started");
    return this.#control;
  }

  /** Sends a request on the connection that gets the events; resolves with its ok or error. */
  async request(message: Message): Promise<Message> {
    const tag = this.#tag++;
    this.control.send(encodeFrame(tag, message));
    return this.control.until(
      (frames) => frames.find((frame) => frame.tag === tag && ["ok", "error"].includes(frame.message.kind))?.message,
    );
  }

  /** Resolves with the first event of a container that `kinds` names; undefined when none comes in time. */
  async event(id: string, kinds: readonly LauncherEvent["kind"][], ms: number): Promise<Message | undefined> {
    const find = (frames: RawConnection["frames"]) =>
      frames.find(({ message }) => kinds.some((kind) => kind === message.kind) && "id" in message && message.id === id)
        ?.message;
    return this.control.until((frames) => find([...frames]), ms).catch(() => undefined);
  }

  /** A second connection, for what may end it. */
  open(): Promise<RawConnection> {
    return RawConnection.open(this.socket);
  }

  belongings(): Belongings {
    const pid = this.#outerPid();
    const inside = `/proc/${pid}/root/proc`;
    return {
      mounts: readFileSync(`/proc/${pid}/mountinfo`, "utf8").split("\n"),
      processes: readdirSync(inside).map(Number).filter(Number.isInteger),
      // Leaves that a plan gave up as spare ones are kept on purpose.
      cgroups: readdirSync(this.#leaf, { withFileTypes: true }).flatMap((entry) =>
        entry.isDirectory() && !entry.name.startsWith("spare-") ? [entry.name] : [],
      ),
      descriptors: readdirSync(`/proc/${pid}/fd`).length,
    };
  }

  /** The launcher's pid as we see it: below `run`'s child, the keeper. */
  #outerPid(): number {
    const keeper = childrenOf(this.#child?.pid ?? 0).at(-1) ?? 0;
    const launcher = childrenOf(keeper).find((pid) => readFileSync(`/proc/${pid}/comm`, "utf8") === "thaw-launcher\n");
    if (launcher === undefined)
      throw new Error(`the launcher is gone: ${readFileSync(join(this.directory, "log"), "utf8")}`);
    return launcher;
  }

  /** What it wrote to its log. */
  log(): string {
    return readFileSync(join(this.directory, "log"), "utf8");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#control?.end();
    this.#child?.kill("SIGTERM");
    await this.#child?.exited;
    await until(() => removed(this.#leaf));
    await this.#cgroups.removeParents();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").map(Number).filter(Boolean);
}

/** Removes a cgroup with all below it. False while something dies in it. */
function removed(leaf: string): boolean {
  try {
    for (const entry of readdirSync(leaf, { withFileTypes: true }))
      if (entry.isDirectory()) removed(join(leaf, entry.name));
    rmdirSync(leaf);
  } catch (error) {
    return !["EBUSY", "ENOTEMPTY"].includes(String(Reflect.get(Object(error), "code")));
  }
  return true;
}
