/**
 * Users and groups as the image knows them: numbers are taken as they are, names are looked up in the image's own
 * /etc/passwd and /etc/group, never in the host's. The files are foreign: bounded, and lines that are not right are
 * skipped as the C library does.
 */
import { ThawError } from "../common/errors.ts";
import { MergedView } from "./merged.ts";

/** Who a process of the image runs as. */
export interface ImageUser {
  readonly uid: number;
  readonly gid: number;
  /** Supplementary groups. */
  readonly groups: readonly number[];
  readonly home: string;
}

interface Passwd {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

interface Group {
  readonly name: string;
  readonly gid: number;
  readonly members: readonly string[];
}

/**
 * Resolves `USER[:GROUP]` (names or numbers; "" is root) against the image's files, as `docker run --user` does.
 * @throws ThawError INVALID when a name is not in the image.
 */
export async function lookupUser(lowers: readonly string[], user: string): Promise<ImageUser> {
  const view = new MergedView(lowers);
  const [userPart = "", groupPart] = splitOwner(user);
  const passwd = parsePasswd((await view.readText("etc/passwd")) ?? "");
  const groups = parseGroups((await view.readText("etc/group")) ?? "");
  const id = parseId(userPart || "0");
  const entry = passwd.find((known) => (id === undefined ? known.name === userPart : known.uid === id));
  const uid = id ?? entry?.uid;
  if (uid === undefined) throw unknown("user", userPart, "/etc/passwd");
  const gid = groupPart === undefined ? (entry?.gid ?? 0) : groupId(groupPart, groups);
  const member = groups.filter((group) => entry !== undefined && group.members.includes(entry.name));
  const supplementary =
    groupPart === undefined ? member.map((group) => group.gid).filter((other) => other !== gid) : [];
  return { uid, gid, groups: supplementary, home: entry?.home || "/" };
}

/**
 * Resolves COPY's `--chown=USER[:GROUP]`; a numeric user without a group owns by the same group number.
 * @throws ThawError INVALID when a name is not in the image.
 */
export async function lookupOwner(lowers: readonly string[], owner: string): Promise<{ uid: number; gid: number }> {
  const id = parseId(owner);
  if (id !== undefined) return { uid: id, gid: id };
  const { uid, gid } = await lookupUser(lowers, owner);
  return { uid, gid };
}

function splitOwner(owner: string): string[] {
  const parts = owner.split(":");
  if (parts.length <= 2 && parts.every((part) => /^[\w.@-]*\$?$/.test(part)) && parts[1] !== "") return parts;
  throw new ThawError("INVALID", `bad user ${JSON.stringify(owner.slice(0, 100))}`, {
    hint: "Give USER or USER:GROUP, names or numbers.",
  });
}

function groupId(group: string, groups: readonly Group[]): number {
  const gid = parseId(group) ?? groups.find((known) => known.name === group)?.gid;
  if (gid === undefined) throw unknown("group", group, "/etc/group");
  return gid;
}

function parseId(text: string): number | undefined {
  if (!/^\d{1,10}$/.test(text)) return undefined;
  const id = Number(text);
  if (id < 2 ** 32 - 1) return id;
  throw new ThawError("INVALID", `user or group id ${text} is out of range`);
}

function parsePasswd(text: string): Passwd[] {
  return text.split("\n").flatMap((line) => {
    const [name, , uid, gid, , home] = line.split(":");
    const ids = [Number(uid || Number.NaN), Number(gid || Number.NaN)];
    if (!name || home === undefined || !ids.every(Number.isInteger)) return [];
    return [{ name, uid: ids[0] ?? 0, gid: ids[1] ?? 0, home }];
  });
}

function parseGroups(text: string): Group[] {
  return text.split("\n").flatMap((line) => {
    const [name, , gid, members] = line.split(":");
    if (!name || members === undefined || !/^\d{1,10}$/.test(gid ?? "")) return [];
    return [{ name, gid: Number(gid), members: members.split(",").filter(Boolean) }];
  });
}

function unknown(kind: string, name: string, file: string): ThawError {
  return new ThawError("INVALID", `the image has no ${kind} ${JSON.stringify(name)} in its ${file}`, {
    hint: `Create it in an earlier step, or give the ${kind}'s number.`,
  });
}
