/**
 * Who a container's process is: `user[:group]`, numbers or names of the image's own /etc/passwd and /etc/group, with
 * the meaning that container engines give it. The host's user database is never asked.
 */
import { ThawError } from "../common/errors.ts";
import { readFromLowers } from "./lowers.ts";

/** Numbers for the `user` operation, and the home directory for HOME. */
export interface ContainerUser {
  readonly uid: number;
  readonly gid: number;
  /** Supplementary groups. */
  readonly groups: readonly number[];
  readonly home: string;
}

interface PasswdEntry {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

interface GroupEntry {
  readonly name: string;
  readonly gid: number;
  readonly members: readonly string[];
}

const LARGEST_ID = 0xfffffffe;
/** As many as the launcher takes. */
const MOST_GROUPS = 256;

/**
 * Looks up `text` (empty: root) in the root made of `lowers`, top first; `groupAdd` are groups by name or number that
 * the user gets in any case.
 * @throws ThawError INVALID when a name is not in the image's files or a number is out of range.
 */
export function lookupUser(text: string, lowers: readonly string[], groupAdd: readonly string[] = []): ContainerUser {
  const [userText = "", groupText, ...more] = (text || "0").split(":");
  if (more.length > 0 || userText === "" || groupText === "") throw malformed(text);
  const users = parsePasswd(readFromLowers(lowers, "/etc/passwd") ?? "");
  const groups = parseGroup(readFromLowers(lowers, "/etc/group") ?? "");
  const user = findUser(userText, users);
  const added = groupAdd.map((name) => findGroup(name, groups));
  const gid = groupText === undefined ? user.gid : findGroup(groupText, groups);
  const member = groupText === undefined ? groups.filter(({ members }) => members.includes(user.name ?? "")) : [];
  const extra = [...new Set([...member.map((group) => group.gid), ...added])].slice(0, MOST_GROUPS);
  return { uid: user.uid, gid, groups: extra, home: user.home };
}

function findUser(
  text: string,
  users: readonly PasswdEntry[],
): Omit<PasswdEntry, "name"> & { name: string | undefined } {
  const named = users.find(({ name }) => name === text);
  if (named) return named;
  const uid = parseId(text);
  if (uid === undefined) throw unknown("user", text, "/etc/passwd");
  return users.find((user) => user.uid === uid) ?? { name: undefined, uid, gid: 0, home: "/" };
}

function findGroup(text: string, groups: readonly GroupEntry[]): number {
  const gid = groups.find(({ name }) => name === text)?.gid ?? parseId(text);
  if (gid === undefined) throw unknown("group", text, "/etc/group");
  return gid;
}

/** A decimal number without sign, in range. */
function parseId(text: string | undefined): number | undefined {
  if (text === undefined || !/^[0-9]{1,10}$/.test(text)) return undefined;
  const id = Number(text);
  return id <= LARGEST_ID ? id : undefined;
}

/** Lines that do not follow passwd(5) are left out. */
function parsePasswd(text: string): PasswdEntry[] {
  return text.split("\n").flatMap((line) => {
    const [name, , uidText, gidText, , home] = line.split(":");
    const uid = parseId(uidText);
    const gid = parseId(gidText);
    return name && uid !== undefined && gid !== undefined ? [{ name, uid, gid, home: home || "/" }] : [];
  });
}

/** Lines that do not follow group(5) are left out. */
function parseGroup(text: string): GroupEntry[] {
  return text.split("\n").flatMap((line) => {
    const [name, , gidText, members = ""] = line.split(":");
    const gid = parseId(gidText);
    return name && gid !== undefined ? [{ name, gid, members: members.split(",").filter(Boolean) }] : [];
  });
}

function malformed(text: string): ThawError {
  return new ThawError("INVALID", `"${text}" is not a user: expected NAME, UID, or either with :GROUP`, {
    hint: "For example: --user 1000, --user www-data, --user 1000:1000.",
  });
}

function unknown(what: string, name: string, file: string): ThawError {
  return new ThawError("INVALID", `no ${what} "${name}" in the container's ${file}`, {
    hint: `Use a number, or add the ${what} to the image.`,
  });
}
