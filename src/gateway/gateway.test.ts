import { describe, expect, test } from "bun:test";
import { Phase, WakeResult } from "../launcher/generated/protocol.ts";
import { listenAddress, overlap } from "./address.ts";
import { wakePhases } from "./gateway.ts";
import { listenerId, serviceOf } from "./listener-id.ts";
import { refusalAnswer } from "./refusal.ts";

describe("addresses", () => {
  test("parts are checked", () => {
    expect(listenAddress("127.0.0.1", 80)).toEqual({ host: "127.0.0.1", port: 80 });
    for (const port of [0, -1, 65_536, 1.5, Number.NaN]) {
      expect(() => listenAddress("0.0.0.0", port)).toThrow(expect.objectContaining({ code: "INVALID" }));
    }
    expect(() => listenAddress("localhost", 80)).toThrow("expected an IPv4 address");
  });

  test("all addresses overlap each", () => {
    const at = (host: string, port = 80) => listenAddress(host, port);
    expect(overlap(at("127.0.0.1"), at("0.0.0.0"))).toBe(true);
    expect(overlap(at("127.0.0.1"), at("127.0.0.2"))).toBe(false);
    expect(overlap(at("0.0.0.0"), at("0.0.0.0", 81))).toBe(false);
  });
});

describe("listener ids", () => {
  test("name their service, and fit into the launcher's bound", () => {
    const service = `a@b${"x".repeat(47)}`;
    const id = listenerId(service, listenAddress("127.0.0.1", 80));
    expect(serviceOf(id)).toBe(service);
    expect(id.length).toBeLessThan(64);
    expect(id).not.toBe(listenerId(service, listenAddress("127.0.0.1", 81)));
  });

  test("other listeners are nobody's", () => {
    expect(serviceOf("port-0123456789-0")).toBeUndefined();
    expect(serviceOf("probe.12345678.9")).toBeUndefined();
  });
});

test("a wake-up's phases are milliseconds in the order of time", () => {
  const phases = [
    { phase: Phase.connected, ns: 12_000_000n },
    { phase: Phase.engine, ns: 3_500_000n },
    { phase: 200, ns: 13_000_000n },
  ];
  const event = {
    kind: "woke",
    id: "x",
    result: WakeResult.fallback,
    ahead: 0,
    waiting: 2,
    phases,
    detail: "why",
  } as const;
  expect(wakePhases(event)).toEqual({
    result: "fallback",
    tier: "template",
    waiting: 2,
    phases: [
      { name: "engine", ms: 3.5 },
      { name: "connected", ms: 12 },
      { name: "phase 200", ms: 13 },
    ],
    detail: "why",
  });
});

test("a refusal is one whole HTTP answer", () => {
  const [head = "", body = ""] = new TextDecoder().decode(refusalAnswer("größe")).split("\r\n\r\n");
  expect(head.split("\r\n")).toContain("Retry-After: 1");
  expect(head).toStartWith("HTTP/1.1 503 ");
  expect(head).toContain(`Content-Length: ${new TextEncoder().encode(body).length}`);
});
