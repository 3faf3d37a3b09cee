import { describe, expect, test } from "bun:test";
import { advance, type Life, type LifeEvent } from "./state.ts";
import type { WakePhases } from "./types.ts";

const wake = (result: WakePhases["result"], detail = ""): LifeEvent => ({
  kind: "woke",
  wake: { result, tier: "disk", waiting: 1, phases: [], detail },
});
const report = (state: "unrouted" | "asleep" | "waking" | "awake" | "stopping"): LifeEvent => ({
  kind: "listener",
  report: state,
});

function run(...events: LifeEvent[]): Life {
  return events.reduce<Life>((life, event) => advance(life, event), { state: "preparing" });
}

describe("a service's life", () => {
  test("prepared, woken, put to sleep", () => {
    const armed: LifeEvent = { kind: "armed" };
    expect(run(armed)).toEqual({ state: "asleep" });
    expect(run(armed, report("waking"))).toEqual({ state: "waking" });
    expect(run(armed, report("waking"), wake("restored"))).toEqual({ state: "awake" });
    expect(run(armed, report("waking"), wake("fallback"), report("awake"), report("stopping"))).toEqual({
      state: "stopping",
    });
    expect(run(armed, report("waking"), wake("restored"), report("stopping"), report("asleep"))).toEqual({
      state: "asleep",
    });
  });

  test("a failed wake-up stays visible while asleep and is forgotten by the next try", () => {
    const failed = run({ kind: "armed" }, report("waking"), wake("failed", "no memory"), report("asleep"));
    expect(failed).toEqual({ state: "failed", error: "no memory" });
    expect(advance(failed, report("waking"))).toEqual({ state: "waking" });
  });

  test("reports of old listeners do not end a preparation", () => {
    expect(run(report("awake"), wake("restored"), report("asleep"))).toEqual({ state: "preparing" });
  });

  test("illegal transitions are WRONG_STATE and name what was expected", () => {
    const wrong = expect.objectContaining({ code: "WRONG_STATE" });
    expect(() => run({ kind: "armed" }, { kind: "armed" })).toThrow(wrong);
    expect(() => run({ kind: "remove" }, report("awake"))).toThrow(
      "a service that is removed expects nothing, got listener",
    );
    expect(() => run({ kind: "remove" }, { kind: "prepare" })).toThrow(wrong);
  });

  test("every state can be removed and prepared anew", () => {
    const lives: Life[] = [
      { state: "preparing" },
      { state: "asleep" },
      { state: "waking" },
      { state: "awake" },
      { state: "stopping" },
      { state: "failed", error: "x" },
    ];
    for (const life of lives) {
      expect(advance(life, { kind: "prepare" })).toEqual({ state: "preparing" });
      expect(advance(life, { kind: "remove" })).toEqual({ state: "removed" });
    }
  });
});
