import { describe, expect, test } from "bun:test";
import { errorLines } from "./log.ts";

describe("errorLines", () => {
  test("keeps errors, drops times and what every log has", () => {
    const log = [
      "(00.000010) Warn  (criu/kerndat.c:1): something",
      "(00.000020) rlimit: Can't setup RLIMIT_NOFILE for self",
      "(00.012000)    2: Error (criu/files-reg.c:2143): File srv.py has bad size 3 (expect 7)",
      "(00.013000) Error (criu/cr-restore.c:2): Restoring FAILED.",
      "",
    ].join("\n");
    expect(errorLines(log)).toBe(
      "(criu/files-reg.c:2143): File srv.py has bad size 3 (expect 7); (criu/cr-restore.c:2): Restoring FAILED.",
    );
  });

  test("is bounded, and falls back to whatever was printed", () => {
    expect(errorLines(`${"Error (x): y\n".repeat(500)}`).split("; ")).toHaveLength(6);
    expect(errorLines(`Error (${"x".repeat(9000)})`).length).toBeLessThanOrEqual(1500);
    expect(errorLines("error while loading shared libraries: libnet.so\n")).toContain("loading shared libraries");
    expect(errorLines("")).toBe("");
  });
});
