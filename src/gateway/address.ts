/**
 * Addresses that a service can listen at. Parsed once at the edge; everything behind works with the parts.
 */
import { isIPv4 } from "node:net";
import { ThawError } from "../common/errors.ts";

export interface ListenAddress {
  /** IPv4 in dots. */
  readonly host: string;
  /** 1-65535. */
  readonly port: number;
}

const MAX_PORT = 65_535;

/**
 * Checks the parts of an address.
 * @throws ThawError INVALID that says what was expected.
 */
export function listenAddress(host: string, port: number): ListenAddress {
  if (!isIPv4(host)) throw invalid(`expected an IPv4 address such as 127.0.0.1, got ${JSON.stringify(host)}`);
  if (!Number.isInteger(port) || port < 1 || port > MAX_PORT)
    throw invalid(`expected a port from 1 to ${MAX_PORT}, got ${port}`);
  return { host, port };
}

/** `host:port`, the way it is shown and compared. */
export function addressText(address: ListenAddress): string {
  return `${address.host}:${address.port}`;
}

/** Whether two sockets cannot listen at both: the same port at the same address or at all addresses. */
export function overlap(a: ListenAddress, b: ListenAddress): boolean {
  const any = "0.0.0.0";
  return a.port === b.port && (a.host === b.host || a.host === any || b.host === any);
}

function invalid(message: string): ThawError {
  return new ThawError("INVALID", message, {
    hint: "Write a port as HOST_PORT:CONTAINER_PORT or ADDRESS:HOST_PORT:CONTAINER_PORT.",
  });
}
