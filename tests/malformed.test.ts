/**
 * What nobody should send to the launcher: damaged frames, and well-formed plans without sense. Each is answered or its
 * connection closed, nothing of it stays, and a container that was there before lives on.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import fc from "fast-check";
import { exec } from "../src/common/exec.ts";
import {
  decodeFrame,
  encodeFrame,
  LIMITS,
  type Message,
  type Op,
  PROTOCOL_VERSION,
} from "../src/launcher/generated/protocol.ts";
import { findLauncher } from "../src/launcher/index.ts";
import { anyMessage } from "./support/arbitraries.ts";
import { type Belongings, CagedLauncher } from "./support/caged-launcher.ts";
import { holdsAsync } from "./support/property.ts";
import { CLEANUP, kindOf, senseless, senselessPlan } from "./support/senseless.ts";

const SURVIVOR = "survivor-7d1c";
const cage = new CagedLauncher();
let atRest: Belongings;
let runs = 0;
/** After a plan's end its network namespace and the like may take a moment. */
const REST_MS = 3000;
const SETTLED_LOOKS = 10;

beforeAll(async () => {
  await cage.start();
  const sleeper: Op[] = [
    { kind: "spawn", role: 0, wait: 1, namespaces: 0x2c020000n, join: 0 },
    { kind: "mounts_private" },
    { kind: "ready" },
    { kind: "hold" },
  ];
  expect(await cage.request(runOf(SURVIVOR, sleeper))).toMatchObject({ kind: "ok" });
  expect(await cage.event(SURVIVOR, ["started"], 10_000)).toBeDefined();
  atRest = await settled();
});

/** What the launcher has once nothing of a start is in the air any more. */
async function settled(): Promise<Belongings> {
  let before = cage.belongings();
  for (let same = 0; same < SETTLED_LOOKS; ) {
    await Bun.sleep(10);
    const now = cage.belongings();
    same = Bun.deepEquals(now, before) ? same + 1 : 0;
    before = now;
  }
  return before;
}

afterAll(() => cage[Symbol.asyncDispose]());

function runOf(id: string, plan: readonly Op[]): Message {
  return { kind: "run", id, sandbox: "", stdio: 0, log: "", plan, cleanup: CLEANUP };
}

/** The launcher answers, and its container lives. */
async function expectAlive(): Promise<void> {
  expect(await cage.request({ kind: "hello", version: PROTOCOL_VERSION })).toMatchObject({ kind: "ok" });
  cage.control.frames.length = 0;
  await cage.request({ kind: "list" });
  const states = cage.control.frames.flatMap(({ message }) =>
    message.kind === "container" && message.id === SURVIVOR ? [message.state] : [],
  );
  expect(states).toEqual([1]);
}

/** It also has what it had, and no more. */
async function expectAtRest(): Promise<void> {
  await expectAlive();
  const limit = performance.now() + REST_MS;
  while (!Bun.deepEquals(cage.belongings(), atRest) && performance.now() < limit) await Bun.sleep(5);
  expect(cage.belongings()).toEqual(atRest);
}

/** Runs a plan to whatever end it has; a plan that would run for ever is killed. Gives back the last message about it. */
async function runToItsEnd(plan: readonly Op[]): Promise<Message> {
  const id = `plan-${runs++}`;
  const answer = await cage.request(runOf(id, plan));
  if (answer.kind === "error" || plan.every(({ kind }) => kind !== "spawn")) return answer;
  const first = await cage.event(id, ["failed", "exited", "started"], 300);
  if (first?.kind !== "failed" && first?.kind !== "exited") await cage.request({ kind: "kill", id });
  const last = await cage.event(id, ["failed", "exited"], 10_000);
  await cage.request({ kind: "forget", id });
  if (last === undefined) throw new Error("the plan has no end");
  return last;
}

test("a senseless plan is refused or fails at one of its operations, and nothing of it stays", async () => {
  const ends: Record<string, number> = {};
  await holdsAsync(
    fc.asyncProperty(senselessPlan, async (plan) => {
      const end = await runToItsEnd(plan);
      ends[end.kind] = (ends[end.kind] ?? 0) + 1;
      if (end.kind === "error") expect(end.message).not.toBe("");
      if (end.kind === "failed") expect(plan[end.op]?.kind).toBe(kindOf(end.code) as Op["kind"]);
      await expectAtRest();
    }),
    300,
  );
  if (process.env.THAW_FUZZ_VERBOSE) console.log(ends);
  expect(ends.failed).toBeGreaterThan(100);
});

/** Plans that once did harm, and the operation at which they fail. */
const HARMFUL: readonly [what: string, plan: readonly Op[], op: number, errno: number][] = [
  [
    "mounting without a mount namespace",
    [spawnOf({ namespaces: 0n }), { kind: "mounts_private" }, { kind: "root_bind", path: "/tmp", readonly: 0 }],
    1,
    1,
  ],
  ["renaming the host", [spawnOf({ namespaces: 0x20000n }), { kind: "hostname", name: "mine" }], 1, 1],
  ["bringing the host's loopback up", [spawnOf({ namespaces: 0n }), { kind: "loopback_up" }], 1, 1],
  ["renaming its domain", [spawnOf({ namespaces: 0x20000n }), { kind: "domainname", name: "mine" }], 1, 1],
  [
    "setting a sysctl of the host",
    [spawnOf({ namespaces: 0x20000n }), { kind: "sysctl", path: "kernel/shmmni", value: "5000" }],
    1,
    1,
  ],
  ["sharing the launcher's memory", [spawnOf({ namespaces: 0x100n }), { kind: "exit", status: 0 }], 0, 22],
  ["being the launcher's sibling", [spawnOf({ namespaces: 0x8000n }), { kind: "exit", status: 0 }], 0, 22],
  ["an unknown role", [spawnOf({ role: 3 }), { kind: "exit", status: 0 }], 0, 22],
  ["an unknown wait", [spawnOf({ wait: 4 }), { kind: "exit", status: 0 }], 0, 22],
  ["holding without being ready", [spawnOf({ wait: 1 }), { kind: "hold" }], 1, 22],
  [
    "running a program without being ready",
    [spawnOf({ wait: 1 }), { kind: "exec", path: "/bin/thaw-launcher", argv: [], env: [] }],
    1,
    22,
  ],
  ["unsharing files", [spawnOf({}), { kind: "unshare", namespaces: 0x400n }], 1, 22],
];

function spawnOf(more: { role?: number; wait?: number; namespaces?: bigint }): Op {
  return { kind: "spawn", role: 1, wait: 2, namespaces: 0x2c020000n, join: 0, ...more };
}

test.each(HARMFUL)("%s fails", async (_what, plan, op, errno) => {
  expect(await runToItsEnd(plan)).toMatchObject({ kind: "failed", op, errno });
  await expectAtRest();
});

/** Changes to a frame's bytes: at a place (0..1 of the frame), another byte, one more, or nothing from there on. */
const damage = fc.array(
  fc.record({
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    byte: fc.nat(255),
    how: fc.constantFrom("set", "add", "drop", "end"),
  }),
  { maxLength: 4 },
);
const HEADER_BYTES = 4;
const LEAST_BODY = 12;

function damaged(frame: Uint8Array, changes: readonly { at: number; byte: number; how: string }[]): Uint8Array {
  const bytes = [...frame];
  for (const { at, byte, how } of changes) {
    const index = Math.floor(at * bytes.length);
    const taken = { set: 1, add: 0, drop: 1, end: bytes.length - index }[how] ?? 0;
    bytes.splice(index, taken, ...(how === "set" || how === "add" ? [byte] : []));
  }
  return Uint8Array.from(bytes);
}

/** True for what would end the launcher. */
function endsLauncher(body: Uint8Array): boolean {
  try {
    const { message } = decodeFrame(body);
    return message.kind === "shutdown" && message.force !== 0;
  } catch {
    return false;
  }
}

test("a damaged frame of a true length is answered", async () => {
  await holdsAsync(
    fc.asyncProperty(anyMessage("requests", senseless), damage, async (message, changes) => {
      const bytes = damaged(encodeFrame(0xabcdn, message), changes);
      if (bytes.length < HEADER_BYTES + LEAST_BODY || endsLauncher(bytes.subarray(HEADER_BYTES))) return;
      new DataView(bytes.buffer).setUint32(0, bytes.length - HEADER_BYTES, true);
      const tag = new DataView(bytes.buffer).getBigUint64(8, true);
      const connection = await cage.open();
      connection.send(bytes);
      const answered = (frames: typeof connection.frames) =>
        frames.find((frame) => frame.tag === tag && ["ok", "error"].includes(frame.message.kind));
      expect(await connection.until((frames) => answered([...frames]))).toBeDefined();
      connection.end();
    }),
    300,
  );
  await tidy();
  await expectAtRest();
});

test("a frame of a wrong length ends its connection and nothing else", async () => {
  for (const length of [0, 1, LEAST_BODY - 1, LIMITS.FRAME_BYTES + 1, 0x7fff_ffff, 0xffff_ffff]) {
    const bytes = encodeFrame(1n, { kind: "list" });
    new DataView(bytes.buffer, bytes.byteOffset).setUint32(0, length, true);
    const connection = await cage.open();
    connection.send(bytes);
    await connection.until(() => (connection.closed ? true : undefined)).catch(() => undefined);
    expect(connection.closed).toBe(true);
    expect(connection.frames.map(({ message }) => message.kind)).toEqual(["error"]);
  }
  const half = await cage.open();
  half.send(encodeFrame(1n, { kind: "list" }).subarray(0, 7));
  await expectAlive();
  half.end();
  await expectAtRest();
});

/** Removes what well-formed requests among the damaged ones made. */
async function tidy(): Promise<void> {
  cage.control.frames.length = 0;
  await cage.request({ kind: "list" });
  for (const { message } of [...cage.control.frames]) {
    if (message.kind === "listener") await cage.request({ kind: "unlisten", id: message.id });
    if (message.kind !== "container" || message.id === SURVIVOR) continue;
    await cage.request({ kind: "kill", id: message.id });
    while ((await cage.request({ kind: "forget", id: message.id })).kind === "error") await Bun.sleep(2);
  }
}

test.each([
  "run --plan-fd three",
  "run --plan-fd -1",
  "run --plan-fd 3x",
  "loop --plan-fd 99999999999999999999 --count 1",
  "loop --plan-fd 3 --count -5",
  "loop --plan-fd 3 --seconds nan",
  "measure net --how lo --count 1 --parallel 65",
  "measure net --how lo --count 1e3",
  "measure mount --how overlay --dir /tmp --size 201 --count 1",
  "measure namespace --how nothing --count 1",
  "serve",
  "nonsense",
])("thaw-launcher %s is refused", async (line) => {
  const { exitCode, stderr } = await exec([findLauncher(), ...line.split(" ")]);
  expect(exitCode).toBe(2);
  expect(stderr).toMatch(/^(usage: |thaw-launcher: serve needs)/);
});
