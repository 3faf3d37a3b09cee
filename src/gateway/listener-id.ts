/**
 * Names of sockets in the launcher: `<service>@<8 hex digits of the address>`. The name alone says whose a socket
 * is, so that a daemon that has just started can tell without remembering anything.
 */
import { createHash } from "node:crypto";
import { addressText, type ListenAddress } from "./address.ts";

const DIGITS = 8;

export function listenerId(service: string, address: ListenAddress): string {
  return `${service}@${createHash("sha256").update(addressText(address)).digest("hex").slice(0, DIGITS)}`;
}

/** The service that a listener belongs to, or undefined when it is nobody's (a probe). */
export function serviceOf(listener: string): string | undefined {
  const at = listener.lastIndexOf("@");
  return at > 0 && listener.length - at - 1 === DIGITS ? listener.slice(0, at) : undefined;
}
