import { expect, test } from "bun:test";
import { signalNumber } from "./signals.ts";

test("signals are names, with or without SIG, or numbers", () => {
  expect(["TERM", "sigterm", "15", "KILL", "SIGHUP", "64"].map(signalNumber)).toEqual([15, 15, 15, 9, 1, 64]);
  for (const bad of ["", "0", "65", "SIGNAL", "-9", "toString"]) expect(() => signalNumber(bad)).toThrow("signal:");
});
