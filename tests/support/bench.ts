/** `thaw bench` as a process, in a directory of temporary files of its own, and what it may leave there: nothing. */
import { expect } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Row } from "../../src/bench/schema.ts";
import { Cgroups, detectCgroups } from "../../src/sandbox/index.ts";

const MAIN = new URL("../../src/cli/main.ts", import.meta.url).pathname;

export class BenchRuns {
  /** All that a benchmark makes has this directory's name, or is in it. */
  readonly directory = mkdtempSync(join(tmpdir(), "thaw-test-"));

  /** Starts `thaw bench ARGV`. */
  start(argv: readonly string[], env: Readonly<Record<string, string>> = {}) {
    return Bun.spawn([process.execPath, MAIN, "bench", ...argv], {
      env: { ...process.env, TMPDIR: this.directory, ...env },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
  }

  /** The cgroups of a run are named after its directory; undefined while there is none. */
  cgroups(): string[] | undefined {
    const [run] = this.#runs();
    if (run === undefined) return undefined;
    const owners = ["", "run", "home/run"].map((name) => join(this.directory, run, name).replace(/\/$/, ""));
    return owners.flatMap((owner) => new Cgroups(detectCgroups(), owner).leaves("x")).map((leaf) => dirname(leaf));
  }

  expectNothingLeft(): void {
    expect(this.#runs()).toEqual([]);
    expect(readFileSync("/proc/self/mounts", "utf8")).not.toContain(this.directory);
    const processes = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
    expect(processes.filter((pid) => environmentOf(pid).includes(this.directory))).toEqual([]);
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }

  #runs(): string[] {
    return readdirSync(this.directory).filter((name) => name.startsWith("thaw-bench-"));
  }
}

export function readdirOrNone(path: string): string[] {
  return existsSync(path) ? readdirSync(path) : [];
}

function environmentOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, "utf8");
  } catch {
    return "";
  }
}

/** Each row lies between its extremes. */
export function expectOrder({ min_ms, p50_ms, p99_ms, max_ms }: Row): void {
  expect([min_ms, p50_ms, p99_ms, max_ms].toSorted((a, b) => a - b)).toEqual([min_ms, p50_ms, p99_ms, max_ms]);
}
