/**
 * Messages of each kind, with values at the edges; those by hand are the ones that matter most. protocol/golden/
 * holds their bytes: the TypeScript decoder must give these values back, the C decoder must take the requests among them.
 * `bun protocol/samples.ts` writes the files that are missing, for what was added; with --all it writes every file,
 * which is right only when the protocol's version changes.
 */
import { existsSync } from "node:fs";
import { encodeFrame, type Message, type Op } from "../src/launcher/generated/protocol.ts";
import { readDefinition } from "./definition.ts";
import { derivedSamples } from "./derived.ts";

const plan: Op[] = [
  { kind: "make_dir", path: "/var/lib/thaw/containers/ä/upper", mode: 0o755 },
  { kind: "cgroup_make", path: "/sys/fs/cgroup/pids/thaw/c" },
  { kind: "cgroup_set", path: "/sys/fs/cgroup/pids/thaw/c/pids.max", value: "512" },
  { kind: "spawn", role: 0, wait: 1, namespaces: 0x6c020000n, join: 0 },
  { kind: "mounts_private" },
  { kind: "root_overlay", lowers: ["/a", "/b:with,odd\\chars", ""], upper: "/u", work: "/w" },
  { kind: "mount", fstype: "proc", target: "/proc", flags: 14n, options: "" },
  { kind: "write_file", path: "/etc/hostname", data: new Uint8Array([0, 255, 10]), mode: 0o644 },
  { kind: "pivot" },
  { kind: "ready" },
  { kind: "hold" },
  { kind: "spawn", role: 1, wait: 2, namespaces: 0n, join: 1 },
  { kind: "rlimit", resource: 7, soft: 1024n, hard: 0xffffffffffffffffn },
  { kind: "oom_score", adj: -1000 },
  { kind: "user", uid: 4294967294, gid: 0, groups: ["0", "4294967294"] },
  { kind: "exec", path: "sh", argv: ["sh", "-c", "exit 3"], env: ["A=ä"] },
];

const BY_HAND: Readonly<Record<string, Message>> = {
  hello: { kind: "hello", version: 1 },
  list: { kind: "list" },
  run: { kind: "run", id: "c".repeat(64), sandbox: "", stdio: 1, log: "/log", plan, cleanup: plan.slice(0, 3) },
  signal: { kind: "signal", id: "c", signo: 15 },
  listen: { kind: "listen", id: "web", address: "127.0.0.1", port: 65535, path: "", backlog: 4096 },
  route: {
    kind: "route",
    id: "web",
    target: "t",
    port: 1,
    idleMs: 4294967295,
    wakeMs: 1,
    readyMs: 0,
    stdio: 0,
    log: "",
    ahead: 1,
    wake: plan,
    second: [],
    fallback: [],
    cleanup: [],
    refusal: new TextEncoder().encode("HTTP/1.1 503\r\n\r\n"),
  },
  error: { kind: "error", errno: 98, message: "Address already in use" },
  started: {
    kind: "started",
    id: "c",
    pid: 1,
    atNs: 1n,
    phases: [
      { phase: 0, ns: 0n },
      { phase: 255, ns: 2n ** 64n - 1n },
    ],
  },
  failed: { kind: "failed", id: "c", op: 3, code: 94, errno: 2, exitStatus: -1, detail: "sh" },
  exited: { kind: "exited", id: "c", waitStatus: 9, oomKills: 1, atNs: 2n ** 63n },
};

/** File name in golden/ to the message it holds; all are sent with tag 2^64 - 2 or, for events, 0. */
export const SAMPLES: Readonly<Record<string, Message>> = {
  ...BY_HAND,
  ...(await derivedSamples(new Set(Object.keys(BY_HAND)))),
};

const EVENTS = new Set(Object.keys((await readDefinition()).events));

export const sampleTag = (message: Message): bigint => (EVENTS.has(message.kind) ? 0n : 2n ** 64n - 2n);

if (import.meta.main) {
  for (const [name, message] of Object.entries(SAMPLES)) {
    const path = `${import.meta.dir}/golden/${name}.bin`;
    if (existsSync(path) && !process.argv.includes("--all")) continue;
    await Bun.write(path, encodeFrame(sampleTag(message), message));
    console.log(`wrote ${name}`);
  }
}
