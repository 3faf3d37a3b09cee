/** The list of programs: what it takes for right, what for wrong, and that the examples are there. */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { loadCompose } from "../../api/compose/load.ts";
import { bodyOf } from "../ask.ts";
import { entry, redisValue } from "./answers.ts";
import { PROGRAMS } from "./list.ts";

const ROOT = join(import.meta.dir, "../../..");

function named(name: string) {
  const found = PROGRAMS.find((program) => program.name === name);
  if (!found) throw new Error(`no program ${name}`);
  return found;
}

test("every program is a service of its example, with one port of its own", async () => {
  const ports = new Set<number>();
  for (const { name, directory } of PROGRAMS) {
    const { services } = await loadCompose(join(ROOT, directory, "compose.yaml"));
    const service = services.find((one) => one.name === name);
    expect({ name, ports: service?.ports?.length }).toEqual({ name, ports: 1 });
    for (const { hostPort } of service?.ports ?? []) ports.add(hostPort);
  }
  expect(ports.size).toBe(PROGRAMS.length);
});

test("a wrong number, a missing count and what is no JSON are wrong", () => {
  const { wrong } = named("go").light;
  const right = { program: "go", n: 4711, value: entry(4711), requests: 2 };
  expect(wrong(JSON.stringify(right))).toBeUndefined();
  for (const change of [{ value: 0 }, { requests: 0 }, { requests: undefined }, { program: "ruby" }, { more: 1 }]) {
    expect(wrong(JSON.stringify({ ...right, ...change }))).toContain("expected");
  }
  expect(wrong("<html>")).toContain("expected JSON");
});

test("Redis has to answer to the letter", () => {
  const { wrong } = named("redis").light;
  const right = `$1000\r\n${redisValue(4711)}\r\n:1\r\n+OK\r\n`;
  expect(wrong(right)).toBeUndefined();
  expect(wrong(right.replace(":1", ":2"))).toContain("got");
});

test("bodies are taken out of HTTP answers, chunked ones put together", () => {
  expect(bodyOf("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")).toBe("hi");
  const chunked = "HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\nb;x=y\r\n, it works!\r\n0\r\n\r\n";
  expect(bodyOf(chunked)).toBe("hi, it works!");
  expect(() => bodyOf("HTTP/1.1 500 Broken\r\n\r\n")).toThrow("500 Broken");
});
