/**
 * The network that a sandbox is in: one of its own with nothing but loopback, the host's, or one of its own that is
 * wired to bridges. What wires it, and what is written in its /etc about it, is made elsewhere and only put in place
 * here.
 */
import type { ChildOp } from "../launcher/generated/protocol.ts";

/** A network namespace that is wired to bridges. */
export interface WiredNetwork {
  /** Makes its interfaces, addresses and routes. Performed inside the namespace, with the host's rights. */
  readonly wiring: readonly ChildOp[];
  /** A sandbox that is wired so may have been made ahead: the wiring belongs to what is the same in both. */
  readonly isAhead: boolean;
  /** The container's own addresses, under which /etc/hosts has its name. */
  readonly addresses: readonly string[];
  /** The host's address in it, where the container may reach it. */
  readonly gateway: string | undefined;
  /** Text of /etc/resolv.conf. */
  readonly resolver: string;
  /** Whoever answers there asks the container's own name servers in turn: they do not take its place. */
  readonly isAnswered: boolean;
}

export type SandboxNetwork = "none" | "host" | WiredNetwork;

/** What a network namespace, with its loopback up, still needs; made ahead, or with the container. */
export function wiringOps(network: SandboxNetwork, ahead: boolean): readonly ChildOp[] {
  return typeof network === "string" || network.isAhead !== ahead ? [] : network.wiring;
}
