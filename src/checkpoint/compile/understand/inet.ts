/** Inet sockets: only those that listen, or are bound and nothing more. */
import type { InetSocket } from "../../images/messages/sockets.ts";
import type { OpenFile } from "../process.ts";
import type { Reasons } from "./context.ts";
import { reopenFlags } from "./open-files.ts";
import { inetOptions } from "./socket-options.ts";

/** States of sockets, as of TCP. */
export const STATE = { established: 1, closed: 7, listening: 10 } as const;
const AF_INET = 2;
const AF_INET6 = 10;
const STREAM = 1;
const DATAGRAM = 2;
const TCP = 6;
const UDP = 17;
const STATES: Readonly<Record<number, string>> = {
  1: "established",
  2: "connecting",
  3: "SYN_RECV",
  4: "FIN_WAIT1",
  5: "FIN_WAIT2",
  6: "TIME_WAIT",
  7: "closed",
  8: "CLOSE_WAIT",
  9: "LAST_ACK",
  10: "listening",
  11: "closing",
};

/** The socket as it can be bound and set to listen again. */
export function inetSocket(entry: InetSocket, where: string, reasons: Reasons): OpenFile | undefined {
  const refuse = (why: string) => {
    reasons.refuse(`${where}: ${why}`);
    return undefined;
  };
  const type = typeOf(entry);
  if (type === undefined) return refuse(`an inet socket of type ${entry.type}, protocol ${entry.protocol}`);
  const name = type.toUpperCase();
  const listens = entry.state === STATE.listening;
  if (entry.state !== STATE.closed && !(listens && type === "tcp")) {
    return refuse(`${STATES[entry.state] ?? `state ${entry.state}`} ${name}`);
  }
  if (entry.peerPort !== 0 || entry.peerAddress.some((word) => word !== 0)) return refuse(`connected ${name}`);
  if (entry.shutdown) return refuse(`${name} that is shut down`);
  if (entry.port === 0) return refuse(`${name} that is not bound`);
  if (entry.port > 0xffff) return refuse(`${name} with the port ${entry.port}`);
  if (entry.interfaceName !== undefined) return refuse(`${name} bound on the interface ${entry.interfaceName}`);
  const address = addressOf(entry);
  if (address === undefined) return refuse(`${name} with an address of ${entry.address.length} words`);
  const options = inetOptions(entry, where, reasons);
  const flags = reopenFlags(entry.flags);
  return {
    is: "listener",
    flags,
    type,
    address,
    port: entry.port,
    backlog: listens ? entry.backlog : undefined,
    options,
  };
}

function typeOf({ type, protocol }: InetSocket): "tcp" | "udp" | undefined {
  if (type === STREAM && protocol === TCP) return "tcp";
  return type === DATAGRAM && protocol === UDP ? "udp" : undefined;
}

function addressOf({ family, address }: InetSocket): Uint8Array | undefined {
  const words = family === AF_INET ? 1 : family === AF_INET6 ? 4 : 0;
  if (words === 0 || address.length !== words) return undefined;
  const bytes = new Uint8Array(words * 4);
  const view = new DataView(bytes.buffer);
  for (const [index, word] of address.entries()) view.setUint32(index * 4, word, true);
  return bytes;
}
