import { describe, expect, test } from "bun:test";
import type { LogRecord } from "../container/types.ts";
import type { Probe } from "./ports.ts";
import { awaitReady } from "./readiness.ts";

const encoder = new TextEncoder();

/** A probe that answers with these statuses, one after the other; a negative one is no answer. */
function probeOf(statuses: number[]): Probe & { asked: string[] } {
  const asked: string[] = [];
  return {
    asked,
    connected: async () => {
      asked.push("connect");
    },
    get: async (path) => {
      asked.push(path);
      const status = statuses.shift() ?? 200;
      if (status < 0) throw new Error("reset");
      return status;
    },
    close: async () => {},
  };
}

async function* records(...texts: [stream: LogRecord["stream"], text: string][]): AsyncIterable<LogRecord> {
  for (const [stream, text] of texts) yield { stream, atNs: 0n, bytes: encoder.encode(text) };
}

const never = new AbortController().signal;

describe("awaitReady", () => {
  test("ready: the port accepts", async () => {
    const probe = probeOf([]);
    await awaitReady({ when: "ready" }, { probe, logs: () => records() }, never);
    expect(probe.asked).toEqual(["connect"]);
  });

  test("healthy: asks until the status is good, also after a reset", async () => {
    const probe = probeOf([-1, 503, 404, 302]);
    await awaitReady({ when: "healthy", path: "/up" }, { probe, logs: () => records() }, never);
    expect(probe.asked).toEqual(["/up", "/up", "/up", "/up"]);
  });

  test("healthy: ends with the deadline", async () => {
    const signal = AbortSignal.timeout(120);
    const probe = probeOf(Array(1000).fill(500));
    const waiting = awaitReady({ when: "healthy", path: "/" }, { probe, logs: () => records() }, signal);
    await expect(waiting).rejects.toMatchObject({ name: "TimeoutError" });
  });

  test("log: finds a line that came in pieces, of one stream only, then connects", async () => {
    const logs = () =>
      records(["stdout", "Server re"], ["stderr", "noise\n"], ["stdout", "ady on 80"], ["stdout", "\nmore"]);
    const probe = probeOf([]);
    await awaitReady({ when: "log", pattern: "^Server ready" }, { probe, logs }, never);
    expect(probe.asked).toEqual(["connect"]);
    const apart = () => records(["stdout", "Server re"], ["stderr", "ady"]);
    const missed = awaitReady({ when: "log", pattern: "Server ready" }, { probe, logs: apart }, never);
    await expect(missed).rejects.toMatchObject({ code: "NOT_READY" });
  });
});
