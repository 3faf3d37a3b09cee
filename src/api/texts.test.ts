import { expect, test } from "bun:test";
import { parseDuration, parsePort, parseSize } from "./texts.ts";

test("sizes count in 1024", () => {
  expect(["1048576", "512m", "1.5g", "64KiB", "2MB", "1b"].map(parseSize)).toEqual([
    1_048_576, 536_870_912, 1_610_612_736, 65_536, 2_097_152, 1,
  ]);
  expect(["", "m", "-1", "1x", "1 m b", "1e3"].map(parseSize)).toEqual(Array(6).fill(undefined));
});

test("durations add up", () => {
  expect(["500ms", "2s", "1m30s", "1.5h", "0"].map(parseDuration)).toEqual([500, 2000, 90_000, 5_400_000, 0]);
  expect(["", "2", "s", "-1s", "1m 30s"].map(parseDuration)).toEqual(Array(5).fill(undefined));
});

test("ports", () => {
  expect(parsePort("8001:8000")).toEqual({ hostAddress: "0.0.0.0", hostPort: 8001, containerPort: 8000 });
  expect(parsePort("127.0.0.1:8001:8000/tcp")?.hostAddress).toBe("127.0.0.1");
  const bad = ["8000", "0:1", "1:65536", "1.2.3.256:1:2", "1:2/udp", "a:1", ":1:2"];
  expect(bad.map(parsePort)).toEqual(bad.map(() => undefined));
});
