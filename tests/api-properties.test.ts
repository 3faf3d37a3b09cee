/**
 * A real daemon and whatever is sent to it: every route with arbitrary parameters, queries and bodies. The answer is
 * never a 500, always in the shape of an error or a result, and the daemon goes on. What would do harm when it is taken for
 * good (a build of a directory of this machine, the daemon's end) is left out.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import fc from "fast-check";
import { createSchema } from "../src/api/containers.ts";
import { hostConfigSchema } from "../src/api/host-config.ts";
import { buildSchema, exportSchema } from "../src/api/images.ts";
import { ROUTES, type RouteName } from "../src/api/routes.ts";
import { checkpointCreateSchema, serviceUpSchema } from "../src/api/thaw.ts";
import { CommandLine } from "./support/cli.ts";
import { holdsAsync } from "./support/property.ts";
import { anyBody, anyJson, anyText } from "./support/senseless-json.ts";

const cli = new CommandLine();
const socket = join(cli.run, "thaw.sock");
/** Answers that last as long as a container does are not waited for. */
const PATIENCE_MS = 1000;

beforeAll(async () => {
  const made = await cli.thaw("create", "--name", "real", "--rootfs", cli.root, "--", "/bin/sleep", "1000");
  expect(made).toMatchObject({ exitCode: 0 });
});

afterAll(async () => {
  await cli[Symbol.asyncDispose]();
  expect(cli.leftovers()).toEqual([]);
});

const BODIES: Partial<Record<RouteName, fc.Arbitrary<unknown>>> = {
  containerCreate: fc.oneof(
    anyBody(Object.keys(createSchema.shape)),
    fc
      .tuple(anyBody(Object.keys(createSchema.shape)), anyBody(Object.keys(hostConfigSchema.shape)))
      .map(([body, host]) => {
        const { Image: _image, ...rest } = body;
        return { ...rest, Rootfs: cli.root, HostConfig: host };
      }),
  ),
  buildCreate: anyBody(Object.keys(buildSchema.shape)),
  imageExport: anyBody(Object.keys(exportSchema.shape)),
  checkpointCreate: anyBody(Object.keys(checkpointCreateSchema.shape)).map((body) => ({ ...body, container: "real" })),
  serviceUp: anyBody(Object.keys(serviceUpSchema.shape)),
  volumeCreate: anyBody(["Name", "Driver", "DriverOpts", "Labels"]),
};

/** Left out: what ends the daemon, and what makes real networks or runs programs. */
const routes = Object.keys(ROUTES).filter(
  (name) => !["daemonStop", "networkCreate", "containerRun", "containerAttach"].includes(name),
) as RouteName[]; // keys of a literal

const request = fc.constantFrom(...routes).chain((name) =>
  fc.record({
    name: fc.constant(name),
    id: fc.oneof(anyText, fc.constantFrom("real", "none", "..", "%2e%2e", "%zz", "a/b", "sha256:1")),
    query: fc.dictionary(
      fc.oneof(anyText, fc.constantFrom("name", "filters", "all", "limit", "signal", "t", "h", "w", "tail", "force")),
      anyText,
      { maxKeys: 3 },
    ),
    body: fc.oneof(
      { weight: 4, arbitrary: (BODIES[name] ?? anyJson).map((body) => JSON.stringify(body)) },
      { weight: 1, arbitrary: anyText },
    ),
  }),
);

/** True when taking the body for good would do something to this machine's files. */
function reachesOut(body: string): boolean {
  try {
    const { context, directory, Rootfs } = Object(JSON.parse(body));
    return [context, directory, Rootfs].some(
      (path) =>
        typeof path === "string" && path !== cli.root && path.startsWith("/") && existsSync(path.split("\0")[0] ?? ""),
    );
  } catch {
    return false;
  }
}

function expectTold(status: number, text: string): void {
  expect(text).not.toMatch(/\n\s+at |node_modules|\.ts:\d/);
  expect({ status, text: text.slice(0, 300), well: status < 500 && !text.includes('"INTERNAL"') }).toMatchObject({
    well: true,
  });
  if (status < 400 || text === "") return;
  const error = JSON.parse(text);
  expect(typeof error.message).toBe("string");
  expect(error.code).toMatch(/^[A-Z_]+$/);
}

test("any request of any route is answered, and never with a 500", async () => {
  const statuses: Record<number, number> = {};
  await holdsAsync(
    fc.asyncProperty(request, async ({ name, id, query, body }) => {
      if (reachesOut(body)) return;
      const [method = "", pattern = ""] = ROUTES[name].split(" ");
      const address = pattern.replace(/\{\w+\+?\}/g, () => encodeURIComponent(id.toWellFormed()));
      const pairs = Object.entries(query).map(([key, value]) => [key.toWellFormed(), value.toWellFormed()]);
      const path = `${address}?${new URLSearchParams(Object.fromEntries(pairs))}`;
      const answer = await ask(method, path, ["GET", "HEAD"].includes(method) ? undefined : body);
      if (answer === undefined) return;
      statuses[answer.status] = (statuses[answer.status] ?? 0) + 1;
      expectTold(answer.status, answer.text);
    }),
    500,
  );
  if (process.env.THAW_FUZZ_VERBOSE) console.log(statuses);
  expect(statuses[400]).toBeGreaterThan(50);
  expect((await ask("GET", "/_ping", undefined))?.text).toBe("OK");
  expect(readFileSync(join(cli.run, "daemon.log"), "utf8")).not.toMatch(/TypeError|RangeError|ReferenceError/);
});

async function ask(method: string, path: string, body: string | undefined) {
  try {
    const signal = AbortSignal.timeout(PATIENCE_MS);
    const response = await fetch(`http://d${path}`, {
      unix: socket,
      method,
      signal,
      ...(body === undefined ? {} : { body }),
    });
    return { status: response.status, text: await response.text() };
  } catch (error) {
    if (error instanceof DOMException && error.name === "TimeoutError") return undefined;
    throw error;
  }
}

test("what is not even HTTP ends its connection and nothing else", async () => {
  const lines = [
    "\0\0\0\0",
    "GET",
    "GET / HTTP/9.9\r\n\r\n",
    "POST /containers/create HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    "GET //../.. HTTP/1.1\r\n\r\n",
    "GET http://[ HTTP/1.1\r\nHost: d\r\n\r\n",
  ];
  for (const line of lines) {
    const answer = await raw(line);
    expect(answer).not.toMatch(/HTTP\/1\.1 5|\n\s+at /);
  }
  expect((await ask("GET", "/_ping", undefined))?.text).toBe("OK");
});

/** Sends bytes, half-closes, and gives back what comes until the end. */
function raw(text: string): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  let got = "";
  const connection = connect(socket, () => connection.end(text));
  connection.on("data", (chunk) => {
    got += chunk;
  });
  connection.on("error", () => resolve(got));
  connection.on("close", () => resolve(got));
  return promise;
}
