import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Socket, UnixSocketListener } from "bun";
import { LauncherClient } from "./client.ts";
import { FrameCutter } from "./frames.ts";
import { decodeFrame, encodeFrame, type LauncherEvent, type Message } from "./generated/protocol.ts";
import { runToEnd, runToStart } from "./run.ts";

/** A launcher that answers as a test says, over the real protocol and a real socket. */
class ScriptedLauncher {
  readonly sockets: Socket<FrameCutter>[] = [];
  readonly seen: Message[] = [];
  answer: (message: Message) => readonly Message[] = () => [{ kind: "ok", value: 0n }];
  readonly path: string;
  #server: UnixSocketListener<FrameCutter>;

  constructor(path: string) {
    this.path = path;
    this.#server = this.#listen();
  }

  #listen(): UnixSocketListener<FrameCutter> {
    return Bun.listen<FrameCutter>({
      unix: this.path,
      allowHalfOpen: true,
      socket: {
        open: (socket) => {
          socket.data = new FrameCutter();
          this.sockets.push(socket);
        },
        data: (socket, chunk) => this.#receive(socket, chunk),
      },
    });
  }

  #receive(socket: Socket<FrameCutter>, chunk: Uint8Array): void {
    socket.data.push(chunk);
    for (let body = socket.data.next(); body; body = socket.data.next()) {
      const { tag, message } = decodeFrame(body);
      this.seen.push(message);
      for (const reply of this.answer(message)) socket.write(encodeFrame(isEvent(reply) ? 0n : tag, reply));
    }
  }

  event(event: LauncherEvent): void {
    this.sockets.at(-1)?.write(encodeFrame(0n, event));
  }

  stop(): void {
    this.#server.stop(true);
    for (const socket of this.sockets.splice(0)) socket.terminate();
    rmSync(this.path, { force: true });
  }

  restart(): void {
    this.#server = this.#listen();
  }
}

function isEvent(message: Message): boolean {
  return ["started", "failed", "exited", "woke", "listener_changed"].includes(message.kind);
}

let directory: string;
let launcher: ScriptedLauncher;
const clients: LauncherClient[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "thaw-test-"));
  launcher = new ScriptedLauncher(join(directory, "launcher.sock"));
});

afterEach(() => {
  for (const client of clients.splice(0)) client.close();
  launcher.stop();
  rmSync(directory, { recursive: true, force: true });
});

async function connect(): Promise<LauncherClient> {
  const client = await LauncherClient.connect(launcher.path, { patienceMs: 2000 });
  clients.push(client);
  return client;
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await Bun.sleep(1);
}

const exited: LauncherEvent = { kind: "exited", id: "a", waitStatus: 0, oomKills: 0, atNs: 1n };
const failed: LauncherEvent = {
  kind: "failed",
  id: "a",
  op: 3,
  code: 94,
  errno: 2,
  exitStatus: 0,
  detail: "foo",
};
const run = { kind: "run", id: "a", sandbox: "", stdio: 0, log: "", plan: [], cleanup: [] } as const;

test("answers go to their requests, also out of order", async () => {
  const client = await connect();
  launcher.answer = () => [];
  const first = client.request({ kind: "kill", id: "a" });
  const second = client.request({ kind: "kill", id: "b" });
  const socket = launcher.sockets[0];
  socket?.write(encodeFrame(3n, { kind: "ok", value: 22n }));
  socket?.write(encodeFrame(2n, { kind: "error", errno: 3, message: "" }));
  expect(await second).toBe(22n);
  await expect(first).rejects.toThrow("the launcher refused kill a: ESRCH (no such process)");
});

test("a port that is taken is PORT_IN_USE", async () => {
  const client = await connect();
  launcher.answer = () => [{ kind: "error", errno: 98, message: "bind" }];
  const request = client.request({ kind: "listen", id: "l", address: "0.0.0.0", port: 80, path: "", backlog: 1 });
  await expect(request).rejects.toMatchObject({
    code: "PORT_IN_USE",
    message: "0.0.0.0:80 is in use by another program",
  });
});

test("refuses a launcher of another version", async () => {
  launcher.answer = () => [{ kind: "error", errno: 71, message: "this is version 2" }];
  await expect(LauncherClient.connect(launcher.path)).rejects.toMatchObject({ code: "LAUNCHER_FAILED" });
});

test("list collects the records of its tag", async () => {
  const client = await connect();
  const container = {
    kind: "container",
    id: "a",
    state: 1,
    pid: 5,
    waitStatus: 0,
    oomKills: 0,
    startedNs: 1n,
    endedNs: 0n,
  } as const;
  const listener = { kind: "listener", id: "l", target: "a", state: 3, wakes: 9n, connections: 0 } as const;
  launcher.answer = () => [container, listener, { kind: "ok", value: 0n }];
  expect(await client.list()).toEqual({ containers: [container], listeners: [listener] });
});

test("events come in order, to everyone", async () => {
  const client = await connect();
  const seen: string[] = [];
  const done = Promise.withResolvers<void>();
  client.onEvent((event) => {
    if (event.id === "c1") throw new Error("a listener that fails on purpose");
  });
  client.onEvent((event) => {
    seen.push(event.id);
    if (seen.length === 100) done.resolve();
  });
  for (let index = 0; index < 100; index++) launcher.event({ ...exited, id: `c${index}` });
  await done.promise;
  expect(seen).toEqual(Array.from({ length: 100 }, (_, index) => `c${index}`));
});

test("a lost connection fails what was pending and comes back", async () => {
  const client = await connect();
  const back = Promise.withResolvers<void>();
  client.onReconnect(() => back.resolve());
  launcher.answer = (message) => (message.kind === "hello" ? [{ kind: "ok", value: 0n }] : []);
  const pending = client.request({ kind: "kill", id: "a" });
  const failure = pending.catch((error: unknown) => error);
  await Bun.sleep(5);
  launcher.stop();
  expect(await failure).toMatchObject({ code: "LAUNCHER_FAILED" });
  launcher.answer = () => [{ kind: "ok", value: 5n }];
  const waiting = client.request({ kind: "kill", id: "b" });
  launcher.restart();
  await back.promise;
  expect(await waiting).toBe(5n);
});

test("a launcher that breaks off while it is told to end is gone, and nobody starts it again", async () => {
  let revived = 0;
  const revive = async () => {
    revived++;
  };
  const client = await LauncherClient.connect(launcher.path, { revive });
  clients.push(client);
  launcher.answer = () => [];
  const ended = client.shutDown(true);
  await expect(client.request(run)).rejects.toThrow("told to end");
  launcher.stop();
  await ended;
  await Bun.sleep(400);
  expect(revived).toBe(0);
});

test("one that was replaced in the middle is told again; one that refuses is spoken to as before", async () => {
  const client = await connect();
  const hello = (message: Message): Message[] => (message.kind === "hello" ? [{ kind: "ok", value: 0n }] : []);
  launcher.answer = hello;
  const ended = client.shutDown(false);
  await until(() => launcher.seen.at(-1)?.kind === "shutdown");
  launcher.answer = (message) =>
    message.kind === "shutdown" ? [{ kind: "error", errno: 16, message: "" }] : [{ kind: "ok", value: 7n }];
  launcher.sockets.pop()?.terminate();
  await expect(ended).rejects.toThrow("refused shutdown: EBUSY");
  expect(await client.request(run)).toBe(7n);
});

test("large requests cross a socket that takes them in pieces", async () => {
  const client = await connect();
  const refusal = new Uint8Array(900_000).fill(120);
  const route = {
    kind: "route",
    id: "l",
    target: "t",
    port: 1,
    idleMs: 0,
    wakeMs: 0,
    readyMs: 0,
    stdio: 0,
    log: "",
    ahead: 0,
    wake: [],
    second: [],
    fallback: [],
    cleanup: [],
    refusal,
  } as const;
  await Promise.all([client.request(route), client.request(route), client.request(route)]);
  expect(launcher.seen.filter((message) => message.kind === "route").map((message) => message.refusal.length)).toEqual([
    900_000, 900_000, 900_000,
  ]);
});

test("runToStart rejects with what failed, runToEnd forgets", async () => {
  const client = await connect();
  launcher.answer = (message) =>
    message.kind === "run" ? [{ kind: "ok", value: 0n }, failed] : [{ kind: "ok", value: 0n }];
  await expect(runToStart(client, run)).rejects.toThrow("exec foo: ENOENT (no such file or directory)");
  launcher.answer = (message) =>
    message.kind === "run" ? [{ kind: "ok", value: 0n }, exited] : [{ kind: "ok", value: 0n }];
  expect(await runToEnd(client, run)).toEqual(exited);
  expect(launcher.seen.at(-1)).toEqual({ kind: "forget", id: "a" });
});

test("attach passes raw bytes both ways, half-closes, and holds back when nobody reads", async () => {
  const client = await connect();
  let written = 0;
  const chunk = new Uint8Array(1 << 18).fill(7);
  launcher.answer = (message) => (message.kind === "attach" ? [{ kind: "ok", value: 0n }] : []);
  const stream = await client.attach("a", { stdin: true, stdout: true, stderr: false });
  expect(launcher.seen.at(-1)).toEqual({ kind: "attach", id: "a", streams: 3 });
  const socket = launcher.sockets.at(-1);
  for (let index = 0; index < 64; index++) written += socket?.write(chunk) ?? 0;
  await Bun.sleep(50);
  expect(written).toBeLessThan(16 << 20);
  let received = 0;
  const output = stream.output();
  while (received < written) received += (await output.next()).value?.length ?? 0;
  expect(received).toBe(written);
  socket?.terminate();
  expect((await output.next()).done).toBe(true);
});
