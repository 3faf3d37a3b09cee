/** What the benchmarks of restores decide by themselves: which combinations, what is missing, what is met. */
import { describe, expect, test } from "bun:test";
import type { CheckpointAnswer, ServiceAnswer } from "../api/thaw.ts";
import { ThawError } from "../common/errors.ts";
import { COMBINATIONS, combinationsOption, difference, inTier, nameOf, refusal } from "./engines.ts";
import { isMet, renderJudgements } from "./judge.ts";
import { paceFor, repeat } from "./pace.ts";

// Only what is looked at.
const service = (told: object) => ({ reasons: [], ...told }) as unknown as ServiceAnswer;
const checkpoint = (told: object) => ({ reasons: [], ...told }) as unknown as CheckpointAnswer;

describe("combinations", () => {
  test("an engine alone means all its tiers, in the order of the list", () => {
    const read = combinationsOption(COMBINATIONS);
    expect(read("thaw/parked,criu-tuned").map(nameOf)).toEqual(["criu-tuned/disk", "criu-tuned/parked", "thaw/parked"]);
    expect(() => read("thaw,runc")).toThrow("thaw/template");
  });

  test("a service that is restored in another way than wanted is not measured", () => {
    const wanted = { engine: "thaw", tier: "template" } as const;
    expect(difference(service({ engine: "thaw", tier: "template" }), wanted)).toBeUndefined();
    expect(difference(service({ engine: "thaw", tier: "disk" }), wanted)).toContain("tier disk, not template");
    // Before there were tiers.
    expect(difference(service({ engine: "thaw" }), wanted)).toContain("tier disk");
    expect(difference(service({ engine: "criu", reasons: ["fd 7"] }), wanted)).toBe("restored by criu, not thaw: fd 7");
  });

  test("CRIU can restore every checkpoint, thaw's engine what was compiled", () => {
    expect(refusal(checkpoint({ engine: "thaw" }), "criu-tuned")).toBeUndefined();
    expect(refusal(checkpoint({ engine: "criu", reasons: ["3 processes"] }), "thaw")).toContain("3 processes");
  });

  test("a daemon that knows no tiers is asked again for the one it has, and for no other", async () => {
    const old = async (asked: object) => {
      if ("tier" in asked) throw new ThawError("INVALID", "unknown key tier");
      return "made";
    };
    expect(await inTier("disk", old)).toBe("made");
    expect(inTier("parked", old)).rejects.toThrow("no tier but disk");
    const failing = () => Promise.reject(new ThawError("NOT_READY", "no tier will help"));
    expect(inTier("disk", failing)).rejects.toThrow("no tier will help");
  });
});

test("targets are met, missed or not measured", () => {
  const judgements = [
    { target: "a", found: 1, bound: 2 },
    { target: "b", found: 1, bound: 2, atLeast: true },
    { target: "c", found: undefined, bound: 2 },
  ];
  expect(judgements.map(isMet)).toEqual([true, false, undefined]);
  expect(renderJudgements(judgements)).toMatch(/^met +a: .*0.50x\nnot met +b: .*at least 2.*\nnot measured +c$/m);
});

describe("pace", () => {
  test("is a multiple of the one wanted that leaves time", () => {
    expect([1, 13, 14, 100].map((cycle) => paceFor(cycle, 20))).toEqual([20, 20, 40, 160]);
  });

  test("runs are bounded by their number, and by time once there are a few", async () => {
    const { signal } = new AbortController();
    const once = async () => 1;
    expect(await repeat({ runs: 2, seconds: 60, signal }, 0, once)).toEqual([1, 1]);
    expect(await repeat({ runs: 100, seconds: 1e-9, signal }, 0, once)).toEqual([1, 1, 1]);
  });
});
