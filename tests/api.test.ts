/**
 * The API as a Docker client meets it: the real server on a real socket, with managers that live in memory.
 */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ApiClient } from "../src/api/client.ts";
import type { ContainerDetails, ContainerSummary, CreateResponse, WaitResponse } from "../src/api/containers.ts";
import { routeAddress } from "../src/api/routes.ts";
import { RunFrame } from "../src/api/run.ts";
import { frame, StdcopyReader } from "../src/api/stdcopy.ts";
import { upgradeStream } from "../src/api/upgrade.ts";
import { ThawError } from "../src/common/errors.ts";
import { Log } from "../src/daemon/log.ts";
import { handlers } from "../src/daemon/routes/index.ts";
import { ApiServer } from "../src/daemon/server.ts";
import { fakeParts } from "./support/fakes.ts";

let directory = "";
let socket = "";
let parts = fakeParts();
let server: ApiServer;
let client: ApiClient;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "thaw-test-"));
  socket = join(directory, "thaw.sock");
  parts = fakeParts();
  server = new ApiServer(handlers(parts), new Log(join(directory, "log")));
  await server.listen(socket);
  client = new ApiClient(socket);
});

afterEach(async () => {
  await server.close();
  rmSync(directory, { recursive: true, force: true });
});

const call = (method: string, path: string, body?: string) =>
  fetch(`http://d${path}`, { unix: socket, method, ...(body === undefined ? {} : { body }) });

async function create(name: string, more: object = {}): Promise<string> {
  const body = { Image: "hello", ...more };
  return (await client.json<CreateResponse>("containerCreate", { query: { name }, body })).Id;
}

/** The error of a promise that must fail. */
async function refusal(promise: Promise<unknown>): Promise<ThawError> {
  const error = await promise.then(
    () => new Error("it was accepted"),
    (thrown: unknown) => thrown,
  );
  if (error instanceof ThawError) return error;
  throw error;
}

describe("errors", () => {
  test("have Docker's message, thaw's code and hint, and the code's status", async () => {
    const response = await call("GET", "/v1.43/containers/none/json");
    expect(response.status).toBe(404);
    expect(await response.json()).toEqual({
      message: "no container none",
      code: "CONTAINER_NOT_FOUND",
      hint: "See thaw ps -a.",
    });
  });

  test.each([
    ["GET", "/nope", undefined, 404, "ROUTE_NOT_FOUND"],
    ["POST", "/containers/create", "{", 400, "INVALID"],
    ["POST", "/containers/create", '{"Image":1}', 400, "INVALID"],
    ["POST", "/containers/create", "", 400, "INVALID"],
    ["POST", "/containers/create", '{"Image":"none"}', 404, "IMAGE_NOT_FOUND"],
    ["POST", "/containers/create?name=..", '{"Image":"hello"}', 400, "INVALID"],
    ["POST", "/containers/create", '{"Image":"hello","HostConfig":{"CpuPercent":1}}', 400, "UNSUPPORTED"],
    ["POST", "/containers/create", '{"Image":"hello","HostConfig":{"OomKillDisable":true}}', 400, "UNSUPPORTED"],
    ["POST", "/containers/create", '{"Image":"hello","HostConfig":{"CpusetCpus":"x"}}', 400, "INVALID"],
    [
      "POST",
      "/containers/create",
      '{"Image":"hello","HostConfig":{"BlkioDeviceReadBps":[{"Path":"x"}]}}',
      400,
      "INVALID",
    ],
    ["POST", "/containers/none/update", '{"Memory":"64m"}', 400, "INVALID"],
    ["POST", "/containers/none/update", '{"BlkioDeviceReadBps":[{"Path":"/dev/a","Rate":1}]}', 400, "UNSUPPORTED"],
    ["POST", "/containers/none/update", '{"RestartPolicy":{"Name":"always"}}', 400, "UNSUPPORTED"],
    ["GET", "/containers/none/stats?stream=maybe", undefined, 400, "INVALID"],
    ["GET", "/containers/none/stats?stream=0", undefined, 404, "CONTAINER_NOT_FOUND"],
    ["GET", "/containers/none/top?ps_args=aux", undefined, 400, "UNSUPPORTED"],
    ["GET", "/containers/json?filters=[", undefined, 400, "INVALID"],
    ["POST", "/thaw/v1/builds", '{"context":"relative"}', 400, "INVALID"],
    ["POST", "/thaw/v1/builds", '{"context":"/a","contxt":1}', 400, "INVALID"],
  ])("%s %s %p is %p %s", async (method, path, body, status, code) => {
    const response = await call(method, path, body);
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ code });
  });

  test("a body over the bound is refused", async () => {
    const response = await call("POST", "/containers/create", `{"Image":"${"x".repeat(1 << 20)}"}`);
    expect([response.status, (await response.text()).includes("at most 1048576 bytes")]).toEqual([400, true]);
  });

  test("a bug is INTERNAL, and its stack is in the log, not in the answer", async () => {
    const response = await call("GET", "/thaw/v1/services/broken");
    expect(response.status).toBe(500);
    expect(await response.json()).toEqual({ message: "a bug", code: "INTERNAL" });
    expect(readFileSync(join(directory, "log"), "utf8")).toContain("fakes.ts");
  });

  test("no daemon is DAEMON_UNREACHABLE, after one attempt to start one", async () => {
    let started = 0;
    const lonely = new ApiClient(join(directory, "none.sock"), async () => {
      started++;
    });
    expect((await refusal(lonely.json("containerList"))).code).toBe("DAEMON_UNREACHABLE");
    expect(started).toBe(1);
  });
});

test("the socket is for root and its group only", () => {
  expect(statSync(socket).mode & 0o777).toBe(0o660);
});

test("ping and version, as Docker's clients begin", async () => {
  const ping = await call("GET", "/_ping");
  expect([await ping.text(), ping.headers.get("api-version")]).toEqual(["OK", "1.43"]);
  expect((await call("HEAD", "/_ping")).status).toBe(200);
  expect(await (await call("GET", "/v1.24/version")).json()).toMatchObject({ ApiVersion: "1.43", Os: "linux" });
  expect(await (await call("GET", "/info")).json()).toMatchObject({ Containers: 0, OSType: "linux" });
});

describe("a container's life", () => {
  test("create, inspect, start, list, stop, remove", async () => {
    const id = await create("web", { Env: ["B=1"], HostConfig: { Memory: 1 << 20, Binds: ["/a:/b:ro"] } });
    const details = await client.json<ContainerDetails>("containerInspect", { params: { id: "web" } });
    expect(details).toMatchObject({ Id: id, Name: "/web", Path: "serve", State: { Status: "created" } });
    expect(details.Config).toMatchObject({ Env: ["A=image", "B=1"], WorkingDir: "/app", Image: "hello" });
    expect(details.HostConfig).toMatchObject({
      Memory: 1 << 20,
      Binds: ["/a:/b:ro"],
      NetworkMode: "bridge",
      Init: true,
    });

    expect(await client.json("containerList")).toEqual([]);
    expect((await call("POST", `/containers/${id}/start`)).status).toBe(204);
    expect((await call("POST", `/containers/${id}/start`)).status).toBe(304);
    const [row] = await client.json<ContainerSummary[]>("containerList");
    expect(row).toMatchObject({ Names: ["/web"], Image: "hello", Command: "serve", State: "running" });
    expect(row?.Status).toStartWith("Up ");

    expect((await call("DELETE", "/containers/web")).status).toBe(409);
    expect((await call("POST", "/containers/web/stop?t=1")).status).toBe(204);
    expect((await call("POST", "/containers/web/stop")).status).toBe(304);
    for (let n = 0; n < 2; n++) {
      expect((await call("POST", "/containers/web/restart?t=1")).status).toBe(204);
      expect(parts.containers.get("web").state).toBe("running");
    }
    expect((await call("POST", "/containers/web/stop?t=1")).status).toBe(204);
    expect((await client.json<ContainerSummary[]>("containerList", { query: { all: true } }))[0]?.Status).toStartWith(
      "Exited (143) ",
    );
    expect((await call("DELETE", "/containers/web")).status).toBe(204);
    expect((await call("GET", "/containers/web/json")).status).toBe(404);
  });

  test("filters and limit choose rows", async () => {
    await create("one", { Labels: { tier: "a" } });
    await create("two");
    await call("POST", "/containers/two/start");
    const names = async (filters: object, limit?: number) => {
      const query = { all: true, filters: JSON.stringify(filters), limit };
      return (await client.json<ContainerSummary[]>("containerList", { query })).map(({ Names }) => Names[0]).sort();
    };
    expect(await names({})).toEqual(["/one", "/two"]);
    expect(await names({ status: ["running"] })).toEqual(["/two"]);
    expect(await names({ label: ["tier=a"] })).toEqual(["/one"]);
    expect(await names({ label: { tier: true } })).toEqual(["/one"]);
    expect(await names({ name: ["/tw"] })).toEqual(["/two"]);
    expect(await names({ ancestor: ["other"] })).toEqual([]);
    expect(await names({}, 1)).toHaveLength(1);
  });

  test("kill takes signals by name, resize takes a size", async () => {
    await create("web");
    await call("POST", "/containers/web/start");
    expect((await call("POST", "/containers/web/resize?h=24&w=80")).status).toBe(200);
    expect((await call("POST", "/containers/web/kill?signal=SIGHUP")).status).toBe(204);
    expect((await call("POST", "/containers/web/kill?signal=NOPE")).status).toBe(400);
    expect([parts.containers.signals, parts.containers.sizes]).toEqual([[1], ["24x80"]]);
  });
});

describe("wait", () => {
  const wait = (condition: string) => client.send("containerWait", { params: { id: "c" }, query: { condition } });
  const code = async (response: Response) => (await client.answer<WaitResponse>(response)).StatusCode;

  test("next-exit is listened for before its headers are out, so a quick end is not missed", async () => {
    await create("c");
    const waiting = await wait("next-exit");
    await call("POST", "/containers/c/start");
    parts.containers.exit("c", 7);
    expect(await code(waiting)).toBe(7);
    const again = await wait("next-exit");
    await call("POST", "/containers/c/start");
    parts.containers.exit("c", 8);
    expect(await code(again)).toBe(8);
  });

  test("not-running is over at once when it does not run", async () => {
    await create("c");
    expect(await code(await wait("not-running"))).toBe(0);
  });

  test("removed comes after its removal, by itself or by a call", async () => {
    await create("c", { HostConfig: { AutoRemove: true } });
    const itself = await wait("removed");
    await call("POST", "/containers/c/start");
    parts.containers.exit("c", 3);
    expect(await code(itself)).toBe(3);

    await create("c");
    const other = await wait("removed");
    await call("POST", "/containers/c/start");
    parts.containers.exit("c", 4);
    let told = false;
    const answer = code(other).finally(() => {
      told = true;
    });
    await call("GET", "/_ping");
    expect(told).toBe(false);
    await call("DELETE", "/containers/c");
    expect(await answer).toBe(4);
  });
});

describe("attach", () => {
  async function attached(id: string, input: Uint8Array[]): Promise<{ stdout: string; stderr: string }> {
    const got = { stdout: "", stderr: "" };
    const reader = new StdcopyReader((stream, bytes) => {
      got[stream] += Buffer.from(bytes).toString("latin1");
    });
    const { path } = routeAddress("containerAttach", { id }, { stream: 1, stdin: 1, stdout: 1, stderr: 1 });
    const stream = await upgradeStream(socket, path, { onData: (bytes) => reader.push(bytes) });
    for (const bytes of input) await stream.write(bytes);
    stream.end();
    await stream.done;
    stream.close();
    return got;
  }

  test("carries bytes both ways; the end of input does not end the output", async () => {
    const id = await create("c", { OpenStdin: true });
    await call("POST", "/containers/c/start");
    const chunk = new Uint8Array(100_000).map((_, i) => i % 251);
    const got = await attached(id, Array(20).fill(chunk));
    expect(got.stderr).toBe("2000000 bytes");
    expect(got.stdout === Buffer.from(chunk).toString("latin1").repeat(20)).toBe(true);
  });

  test("is refused for what has exited or is not there, with the reason", async () => {
    const id = await create("c");
    await call("POST", "/containers/c/start");
    parts.containers.exit("c", 0);
    expect((await refusal(attached(id, []))).code).toBe("WRONG_STATE");
    expect((await refusal(attached("none", []))).code).toBe("CONTAINER_NOT_FOUND");
  });

  test("works without an upgrade: the output is the answer's body", async () => {
    await create("c", { Tty: true });
    await call("POST", "/containers/c/start");
    const response = await call("POST", "/containers/c/attach?stream=1&stdout=1");
    expect([response.status, response.headers.get("content-type")]).toEqual([200, "application/vnd.docker.raw-stream"]);
    await response.body?.cancel();
  });
});

test("a container that removes itself cannot be restarted, and goes on", async () => {
  await create("brief", { HostConfig: { AutoRemove: true } });
  await call("POST", "/containers/brief/start");
  expect((await call("POST", "/containers/brief/restart")).status).toBe(409);
  expect(parts.containers.get("brief").state).toBe("running");
});

describe("run", () => {
  const handlersOf = (got: { text: string; id: string }) => ({
    onStarted: (id: string) => {
      got.id = id;
    },
    onOutput: (stream: string, bytes: Uint8Array) => {
      got.text += `${stream}:${Buffer.from(bytes).toString("latin1")}`;
    },
  });

  test("makes, starts and follows a container over one connection, input and its end included", async () => {
    const got = { text: "", id: "" };
    const run = await client.run({ name: "r" }, { Image: "hello", OpenStdin: true }, handlersOf(got));
    const chunk = new Uint8Array(300_000).fill(65);
    for (let n = 0; n < 10; n++) await run.write(chunk);
    run.endInput();
    expect(await run.ended).toEqual({ exitCode: 0, note: "", error: undefined });
    expect(got.text.replaceAll("stdout:", "")).toBe(`${"A".repeat(3_000_000)}stderr:3000000 bytes`);
    expect(parts.containers.get("r")).toMatchObject({ id: got.id, state: "exited" });
  });

  test("takes a request of any size, in any pieces, and what follows it at once", async () => {
    const body = JSON.stringify({ Image: "hello", OpenStdin: true, Env: [`LONG=${"x".repeat(200_000)}`] });
    const input = Buffer.concat([frame(RunFrame.input, Buffer.from("hi")), frame(RunFrame.input, new Uint8Array(0))]);
    let got = "";
    const onData = (bytes: Uint8Array) => {
      got += Buffer.from(bytes).toString("latin1");
    };
    const stream = await upgradeStream(socket, "/thaw/v1/run", {
      firstLine: `${body}\n${input.toString("latin1")}`,
      onData,
    });
    await stream.done;
    expect(got).toContain("2 bytes");
    expect(got).toContain('{"StatusCode":0}');
  });

  test("one output with a terminal, and the exit code", async () => {
    const got = { text: "", id: "" };
    const run = await client.run({ name: "r" }, { Image: "hello", OpenStdin: true, Tty: true }, handlersOf(got));
    await run.write(Buffer.from("keys"));
    run.endInput();
    await run.ended;
    expect(got.text).toBe("stdout:keysstdout:4 bytes");
  });

  test("a detached one goes on", async () => {
    const got = { text: "", id: "" };
    const run = await client.run({ name: "r", detach: true }, { Image: "hello" }, handlersOf(got));
    expect(await run.ended).toBeUndefined();
    expect(parts.containers.get("r")).toMatchObject({ id: got.id, state: "running" });
  });

  test("one that cannot be started is removed, and it is said why", async () => {
    for (const detach of [true, false]) {
      const got = { text: "", id: "" };
      const run = await client.run({ detach }, { Image: "hello", Cmd: ["missing"] }, handlersOf(got));
      expect(await run.ended).toMatchObject({ exitCode: 125, error: { code: "START_FAILED", hint: "Install it." } });
      expect([got.id, parts.containers.list({ all: true })]).toEqual(["", []]);
    }
  });

  test("one that cannot be made is refused as by any route", async () => {
    const none = { onStarted: () => {}, onOutput: () => {} };
    const refused = async (query: { name?: string; detach?: string }, body: object) =>
      (await refusal(client.run(query, { Image: "hello", ...body }, none))).code;
    expect(await refused({}, { Image: "none" })).toBe("IMAGE_NOT_FOUND");
    expect(await refused({ name: ".." }, {})).toBe("INVALID");
    expect(await refused({ detach: "maybe" }, {})).toBe("INVALID");
    expect(await refused({}, { Cmdd: [1] })).toBe("UNSUPPORTED");
    expect(await refused({}, { Env: ["A=".padEnd(2 << 20)] })).toBe("INVALID");
    expect((await call("POST", "/thaw/v1/run", "{}")).status).toBe(400);
    expect(parts.containers.list({ all: true })).toEqual([]);
  });

  test("a client that goes away leaves its container running; a daemon that goes away is told of", async () => {
    const got = { text: "", id: "" };
    const left = await client.run({ name: "left" }, { Image: "hello", OpenStdin: true }, handlersOf(got));
    left.close();
    const run = await client.run({ name: "r" }, { Image: "hello", OpenStdin: true }, handlersOf(got));
    expect(parts.containers.get("left").state).toBe("running");
    await server.close();
    expect((await refusal(run.ended)).code).toBe("DAEMON_UNREACHABLE");
  });
});

describe("logs", () => {
  beforeEach(async () => {
    const id = await create("c");
    const record = (stream: "stdout" | "stderr", seconds: number, text: string) => {
      return { stream, atNs: BigInt(seconds) * 1_000_000_000n + 5n, bytes: Buffer.from(text) };
    };
    parts.containers.records.set(id, [
      record("stdout", 1, "one\ntw"),
      record("stderr", 2, "err\n"),
      record("stdout", 3, "o\n"),
    ]);
  });

  async function logs(query: string): Promise<string> {
    let text = "";
    const reader = new StdcopyReader((stream, bytes) => {
      text += `${stream === "stderr" ? "!" : ""}${Buffer.from(bytes)}`;
    });
    reader.push(await (await call("GET", `/containers/c/logs?${query}`)).bytes());
    return text;
  }

  test("are the streams that were asked for", async () => {
    expect(await logs("stdout=1&stderr=1")).toBe("one\ntw!err\no\n");
    expect(await logs("stderr=1")).toBe("!err\n");
    expect((await call("GET", "/containers/c/logs")).status).toBe(400);
  });

  test("have a time before each line, not before each piece", async () => {
    expect(await logs("stdout=1&timestamps=1")).toBe(
      "1970-01-01T00:00:01.000000005Z one\n1970-01-01T00:00:01.000000005Z two\n",
    );
  });

  test("are of a range of time", async () => {
    expect(await logs("stdout=1&stderr=1&since=2&until=2.5")).toBe("!err\n");
    expect(await logs("stdout=1&since=0")).toBe("one\ntwo\n");
  });
});

describe("progress", () => {
  const build = (tag: string, lines: string[]) =>
    client.progress("buildCreate", { body: { context: "/app", tag } }, (line) => lines.push(line));

  test("comes line by line and ends with the result or the error", async () => {
    const lines: string[] = [];
    expect(await build("good", lines)).toEqual({ id: `sha256:${"1".repeat(64)}`, tag: "good" });
    const error = await refusal(build("bad", lines));
    expect([error.code, error.message, error.hint]).toEqual(["BUILD_FAILED", "step 2 exited with 1", "Read it."]);
    expect(lines).toEqual(["one", "two", "one", "two"]);
  });
});

test("a client that goes away, or talks nonsense, harms nobody", async () => {
  await create("c");
  for (const text of [
    "GARBAGE\r\n\r\n",
    "POST /containers/c/wait?condition=next-exit HTTP/1.1\r\nHost: d\r\n\r\n",
    "",
  ]) {
    await new Promise<void>((resolve) => {
      const raw = connect(socket, () => raw.end(text));
      raw.setTimeout(50, () => raw.destroy());
      raw.on("error", () => {});
      raw.on("data", () => raw.destroy());
      raw.on("close", () => resolve());
    });
  }
  expect((await call("GET", "/_ping")).status).toBe(200);
});
