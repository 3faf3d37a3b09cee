/**
 * User namespaces: root inside is nobody outside. A container gets a range of the host's ids of its own. What is on the
 * disk never has ids of a range: layers, the writable layer and binds are mounted with their ids mapped, so layers
 * are shared unchanged, a container's files stay as they would be without, and a range can be given to the next one.
 *
 * The sandbox is built with the host's rights; only at its end does the process enter the user namespace. So its
 * mounts are out of reach of root inside, whatever capabilities it was given.
 */
import { ThawError } from "../common/errors.ts";
import type { ChildOp, HostOp } from "../launcher/generated/protocol.ts";
import { Namespace } from "./namespaces.ts";

/** The host's ids that the ids from 0 to `count` - 1 inside are; for users and groups alike. */
export interface IdRange {
  readonly first: number;
  readonly count: number;
}

/** The namespaces that a user namespace must own for its root to have rights over them, of those wanted. */
const OWNED = Namespace.net | Namespace.ipc | Namespace.uts;

/** Those of `wanted` that are made with the process; with a user namespace it owns the others. */
export function namespacesOfProcess(wanted: bigint, ids: IdRange | undefined): bigint {
  return ids ? wanted & ~OWNED : wanted;
}

/** Makes the user namespace and what it owns of `wanted`, before the process. */
export function userNamespace(wanted: bigint, ids: IdRange | undefined): HostOp[] {
  return ids ? [{ kind: "user_make", ...ids, namespaces: wanted & OWNED }] : [];
}

/** Before anything is made or mounted that root inside shall own. */
export function ownSpaces(ids: IdRange | undefined): ChildOp[] {
  return ids ? [{ kind: "user_spaces" }] : [];
}

/** After all that needs the host's rights. A change of ids undoes `die_with_parent`, hence once more. */
export function enterUserNamespace(ids: IdRange | undefined): ChildOp[] {
  return ids ? [{ kind: "user_enter" }, { kind: "die_with_parent" }] : [];
}

/**
 * The host's id of an id inside, for what the kernel takes before the namespace is entered.
 * @throws ThawError INVALID when it is none of the range: it could be another container's.
 */
export function hostId(inside: number, ids: IdRange | undefined): number {
  if (!ids) return inside;
  if (inside < ids.count) return ids.first + inside;
  throw new ThawError("INVALID", `there is no id ${inside} in a container with a user namespace`, {
    hint: `Ids are 0 to ${ids.count - 1} there. Use one of them, or leave out --userns auto.`,
  });
}
