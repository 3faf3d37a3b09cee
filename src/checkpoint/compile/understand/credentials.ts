/** User, groups and capabilities, which have to be the same for all threads. */
import type { CredentialsEntry } from "../../images/messages/process.ts";
import type { Credentials } from "../process.ts";
import { hex, type Reasons } from "./context.ts";
import type { ThreadImage } from "./threads.ts";

/** Two words of 32 bits. */
const CAPABILITY_WORDS = 2;
const NOBODY: Credentials = {
  uid: 65534,
  euid: 65534,
  suid: 65534,
  fsuid: 65534,
  gid: 65534,
  egid: 65534,
  sgid: 65534,
  fsgid: 65534,
  groups: [],
  effective: 0n,
  permitted: 0n,
  inheritable: 0n,
  bounding: 0n,
  ambient: 0n,
  securebits: 0,
  noNewPrivs: true,
};

/** The leader's credentials; refuses what the other threads have differently. */
export function credentialsOf(threads: readonly ThreadImage[], reasons: Reasons): Credentials {
  const all = threads.map(({ tid, thread }) => ({ tid, credentials: understood(thread.credentials, tid, reasons) }));
  const leader = all[0]?.credentials;
  if (leader === undefined) return NOBODY;
  for (const { tid, credentials } of all.slice(1)) {
    const different = credentials && differences(leader, credentials);
    if (different?.length)
      reasons.refuse(`thread ${tid}: other credentials than the main thread (${different.join(", ")})`);
  }
  return leader;
}

function understood(entry: CredentialsEntry | undefined, tid: number, reasons: Reasons): Credentials | undefined {
  if (entry === undefined) {
    reasons.refuse(`thread ${tid}: no credentials in the images`);
    return undefined;
  }
  const { uid, euid, suid, fsuid, gid, egid, sgid, fsgid, groups, securebits } = entry;
  if (entry.lsmProfile !== undefined && entry.lsmProfile !== "unconfined") {
    reasons.refuse(`thread ${tid}: confined by ${entry.lsmProfile}`);
  }
  if (entry.lsmSockcreate !== undefined) reasons.refuse(`thread ${tid}: labels sockets as ${entry.lsmSockcreate}`);
  const mask = (words: readonly number[], what: string) => capabilities(words, `thread ${tid}: ${what}`, reasons);
  return {
    ...{ uid, euid, suid, fsuid, gid, egid, sgid, fsgid, groups, securebits },
    effective: mask(entry.effective, "effective"),
    permitted: mask(entry.permitted, "permitted"),
    inheritable: mask(entry.inheritable, "inheritable"),
    bounding: mask(entry.bounding, "bounding"),
    ambient: mask(entry.ambient, "ambient"),
    noNewPrivs: (entry.noNewPrivs ?? 0) !== 0,
  };
}

function capabilities(words: readonly number[], what: string, reasons: Reasons): bigint {
  const [low, high] = words;
  if (low === undefined || high === undefined || words.length !== CAPABILITY_WORDS) {
    reasons.refuse(`${what} capabilities: expected ${CAPABILITY_WORDS} words, got ${words.length}`);
    return 0n;
  }
  return BigInt(low) | (BigInt(high) << 32n);
}

function differences(one: Credentials, other: Credentials): string[] {
  const shown = (value: unknown) => (typeof value === "bigint" ? hex(value) : JSON.stringify(value));
  const values = (credentials: Credentials) => Object.entries(credentials).map(([key, value]) => [key, shown(value)]);
  const others = new Map(values(other).map(([key, value]) => [key, value]));
  return values(one).flatMap(([key, value]) => (others.get(key) === value ? [] : [key ?? ""]));
}
