/**
 * thaw with roots to attack from, and a place of the host that no container may reach, for the attack tests.
 */
import { expect } from "bun:test";
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Installed, type Outcome } from "./installed.ts";
import { makePerlRoot } from "./perl-root.ts";
import { makeProbe } from "./probe.ts";
import { makeTinyRoot } from "./root.ts";
import { until } from "./world.ts";

const ATTACKS = new URL("attacks.pl", import.meta.url).pathname;
const SECRET = "the host's\n";

export class Target {
  readonly installed = new Installed();
  /** A root with perl and attacks.pl. */
  readonly perl = join(this.installed.directory, "perl-root");
  /** A root with a shell and the probe. */
  readonly tiny = join(this.installed.directory, "tiny-root");
  /** The place of the host. It holds one file, `secret`. */
  readonly host = join(this.installed.directory, "host");

  async prepare(): Promise<void> {
    await makePerlRoot(this.perl);
    copyFileSync(ATTACKS, join(this.perl, "attacks.pl"));
    writeFileSync(join(this.perl, "container-marker"), "");
    mkdirSync(join(this.perl, "container-dir"));
    writeFileSync(join(this.perl, "etc/passwd"), "root:x:0:0::/:/bin/sh\n");
    makeTinyRoot(this.tiny);
    await makeProbe(join(this.tiny, "bin/probe"));
    mkdirSync(this.host);
    writeFileSync(join(this.host, "secret"), SECRET);
  }

  /** Runs a command in a container of a root. */
  run(options: readonly string[], rootfs: string, ...command: string[]): Promise<Outcome> {
    return this.installed.thaw("run", "--rm", ...options, "--rootfs", rootfs, "--", ...command);
  }

  /** The host's place holds what it held. */
  expectUntouched(): void {
    expect(readdirSync(this.host)).toEqual(["secret"]);
    expect(readFileSync(join(this.host, "secret"), "utf8")).toBe(SECRET);
  }

  /** Ends thaw; nothing of all that was tried may be left. */
  async close(): Promise<void> {
    await this.installed.thaw("daemon", "stop", "--force");
    await until(() => this.installed.pids().length === 0);
    expect(await this.installed.leftovers()).toEqual([]);
    this.installed.remove();
  }
}
