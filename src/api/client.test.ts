/** The client against a daemon that dies under it. */
import { afterAll, afterEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ApiClient } from "./client.ts";

const directory = mkdtempSync(join(tmpdir(), "thaw-test-"));
const socket = join(directory, "api.sock");
let server: Server | undefined;

afterEach(() => {
  server?.close();
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Takes connections and ends them without a word, as a process that is killed does. */
function dying(): Promise<void> {
  server = createServer((connection) => connection.once("data", () => connection.resetAndDestroy()));
  return new Promise((resolve) => server?.listen(socket, resolve));
}

function living(): Promise<void> {
  const answer =
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n[]";
  server?.close();
  server = createServer((connection) => connection.once("data", () => connection.end(answer)));
  rmSync(socket, { force: true });
  return new Promise((resolve) => server?.listen(socket, resolve));
}

test("a question to a daemon that is just dying is asked again of the next one", async () => {
  await dying();
  let started = 0;
  const client = new ApiClient(socket, async () => {
    started++;
    await living();
  });
  expect(await client.json("containerList")).toEqual([]);
  expect(started).toBe(1);
});

test("what changes something is not", async () => {
  await dying();
  const client = new ApiClient(socket, () => Promise.reject(new Error("nobody asked for a daemon")));
  const start = client.json("containerStart", { params: { id: "web" } });
  await expect(start).rejects.toMatchObject({ code: "DAEMON_UNREACHABLE" });
});
