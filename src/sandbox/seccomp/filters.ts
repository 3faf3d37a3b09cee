/**
 * Seccomp filters, made once. A profile becomes a list of rules for a container's capabilities; the launcher's `filter`
 * makes BPF of it, which takes some milliseconds, and the bytes are kept by the digest of the list, of the kernel's
 * release and of the launcher itself: in memory, and under the cache directory for the next daemon. A file there
 * carries the digest of its own content; one that does not fit is made again.
 */
import { createHash, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { release } from "node:os";
import { join } from "node:path";
import { ThawError } from "../../common/errors.ts";
import type { Paths } from "../../common/paths.ts";
import { findLauncher } from "../../launcher/index.ts";
import defaultProfile from "./default.json" with { type: "json" };
import { checkProfile, readProfile, type SeccompProfile } from "./profile.ts";
import { flatRules } from "./rules.ts";

/** What a container is given: thaw's own profile, no filter, or the text of a profile's JSON. */
export type SeccompSetting = "default" | "unconfined" | { readonly profile: string };

/** A filter for the `seccomp` operation. */
export interface SeccompFilter {
  /** BPF instructions. */
  readonly filter: Uint8Array;
  /** SECCOMP_FILTER_FLAG_*. */
  readonly flags: number;
}

/** sha256. */
const DIGEST_BYTES = 32;
/** Containers with a filter of their own are few; beyond this the oldest are made again when they are wanted. */
const MOST_IN_MEMORY = 64;

/** Makes and keeps filters. */
export class SeccompFilters {
  readonly #directory: string;
  readonly #made = new Map<string, Promise<SeccompFilter>>();
  #machine: { readonly key: string; readonly kernel: readonly [number, number] } | undefined;

  constructor({ cache }: Pick<Paths, "cache">) {
    this.#directory = join(cache, "seccomp");
  }

  /**
   * The filter of a container with these capabilities (without "CAP_") in its bounding set; undefined for none.
   * @throws ThawError INVALID for a profile that is wrong, DEPENDENCY_MISSING without a launcher.
   */
  async of(setting: SeccompSetting, capabilities: readonly string[]): Promise<SeccompFilter | undefined> {
    if (setting === "unconfined") return undefined;
    const text = setting === "default" ? "" : setting.profile;
    const key = digest(text, ...[...capabilities].sort()).toString("hex");
    const known = this.#made.get(key);
    if (known) return known;
    const made = this.#make(setting === "default" ? checkProfile(defaultProfile) : readProfile(text), capabilities);
    this.#made.set(key, made);
    for (const old of [...this.#made.keys()].slice(0, -MOST_IN_MEMORY)) this.#made.delete(old);
    // What failed for want of space or memory may succeed next time.
    made.catch(() => this.#made.delete(key));
    return made;
  }

  async #make(profile: SeccompProfile, capabilities: readonly string[]): Promise<SeccompFilter> {
    this.#machine ??= describeMachine();
    const machine = this.#machine;
    const held = new Set(capabilities.map((name) => `CAP_${name}`));
    const rules = flatRules(profile, { capabilities: held, kernel: machine.kernel });
    const file = join(this.#directory, `${digest(rules, machine.key).toString("hex")}.bpf`);
    const kept = readKept(file);
    if (kept) return { filter: kept, flags: profile.flags };
    const filter = await compile(rules);
    // Without a cache the next daemon makes it again.
    await keep(this.#directory, file, filter).catch((error: unknown) => {
      console.error("thaw: cannot keep a seccomp filter:", error instanceof Error ? error.message : error);
    });
    return { filter, flags: profile.flags };
  }
}

function digest(...texts: readonly (string | Uint8Array)[]): Buffer {
  const hash = createHash("sha256");
  // With the length of each, so that no two lists are one.
  for (const text of texts) hash.update(`${text.length}:`).update(text);
  return hash.digest();
}

/** The launcher brings its own libseccomp, so that its file is the version of both. */
function describeMachine() {
  const launcher = digest(readFileSync(findLauncher())).toString("hex");
  const [major = 0, minor = 0] = release()
    .split(".")
    .map((part) => Number.parseInt(part, 10));
  return { key: `${release()} ${launcher}`, kernel: [major, minor] } as const;
}

function readKept(file: string): Uint8Array | undefined {
  try {
    const bytes = readFileSync(file);
    const filter = bytes.subarray(DIGEST_BYTES);
    return filter.length > 0 && digest(filter).equals(bytes.subarray(0, DIGEST_BYTES)) ? filter : undefined;
  } catch {
    return undefined;
  }
}

async function keep(directory: string, file: string, filter: Uint8Array): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const fresh = `${file}.${randomBytes(8).toString("hex")}`;
  try {
    await writeFile(fresh, Buffer.concat([digest(filter), filter]), { mode: 0o600 });
    await rename(fresh, file);
  } catch (error) {
    await rm(fresh, { force: true });
    throw error;
  }
}

async function compile(rules: string): Promise<Uint8Array> {
  const child = Bun.spawn([findLauncher(), "filter"], {
    stdin: new TextEncoder().encode(rules),
    stdout: "pipe",
    stderr: "pipe",
  });
  const [filter, complaint, status] = await Promise.all([
    new Response(child.stdout).bytes(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  if (status === 0 && filter.length > 0) return filter;
  throw new ThawError("INVALID", `the seccomp profile cannot be made into a filter: ${complaint.trim()}`, {
    hint: "A filter holds 4096 instructions: name fewer calls with conditions.",
  });
}
