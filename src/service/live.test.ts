import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import { afterCount, afterWake, describeService } from "./live.ts";
import { type ServiceRow, ServiceStore } from "./store.ts";
import type { WakePhases } from "./types.ts";

const wake: WakePhases = {
  result: "restored",
  tier: "disk",
  waiting: 3,
  phases: [{ name: "engine", ms: 1.5 }],
  detail: "",
};
const row: ServiceRow = {
  id: "a-web",
  spec: {
    project: "a",
    name: "web",
    image: "web",
    argv: undefined,
    env: [],
    ports: [{ hostAddress: "127.0.0.1", hostPort: 80, containerPort: 80 }],
    idleMs: 0,
    readyTimeoutMs: 1,
    checkpoint: { when: "ready" },
    warmup: [],
    limits: { memory: undefined, nanoCpus: undefined, pids: undefined },
  },
  digest: "d",
  instance: "i",
  checkpoint: "svc-a-web-1",
  generation: 1,
  prepared: true,
  engine: "criu",
  tier: "disk",
  fallbacks: 0,
  reasons: [],
  wakes: 5,
  wakesSeen: 2,
  lastWake: undefined,
  error: "",
};

describe("counting wake-ups", () => {
  test("events count, and are not counted again when the launcher's counter is read", () => {
    const woken = afterWake(row, wake, "");
    expect([woken.wakes, woken.lastWake]).toEqual([6, wake]);
    expect(afterCount(woken, 3).wakes).toBe(6);
  });

  test("what happened while nobody listened is added; a new launcher counts from 0", () => {
    expect(afterCount(row, 9).wakes).toBe(12);
    expect(afterCount(row, 1).wakes).toBe(6);
    expect(afterCount(afterCount(row, 1), 1).wakes).toBe(6);
  });

  test("the latest five reasons are kept, each once", () => {
    let current = row;
    for (const reason of ["a", "b", "a", "c", "d", "e", "f"]) current = afterWake(current, wake, reason);
    expect(current.reasons).toEqual(["a", "c", "d", "e", "f"]);
  });
});

describe("ServiceStore", () => {
  test("gives back what was put, replaces, removes", () => {
    const store = new ServiceStore(new Database(":memory:", { strict: true }));
    store.put(row);
    store.put({ ...row, lastWake: wake, reasons: ["x"] });
    const { argv: _, ...spec } = row.spec;
    expect(store.all()).toMatchObject([{ ...row, spec: { ...spec, limits: {} }, lastWake: wake, reasons: ["x"] }]);
    expect(store.get("a-web")?.wakes).toBe(5);
    store.remove("a-web");
    expect(store.all()).toEqual([]);
  });
});

test("a failed life's error is shown", () => {
  const service = describeService({ row, life: { state: "failed", error: "why" } }, 7);
  expect(service).toMatchObject({ state: "failed", error: "why", memoryBytes: 7, wakes: 5 });
});
