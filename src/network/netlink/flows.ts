/**
 * Messages of nfnetlink about connection tracking. The kernel remembers where the datagrams of a sender go: one that
 * goes on sending to a published port would reach the container that had it before, or nobody, for as long as it sends.
 */

import { portBytes } from "./elements.ts";
import { attribute, Flag, message, type NetlinkMessage, nest, u8, u32 } from "./message.ts";

const DELETE_FLOWS = (1 << 8) | 2;
const AF_INET = 2;
const AF_INET6 = 10;
const VERSION = 1;
const UDP = 17;
const Flow = { original: 1, filter: 25 } as const;
const TUPLE_PROTOCOL = 2;
const Protocol = { number: 1, destinationPort: 3 } as const;
const FILTER_ORIGINAL = 1;
/** Which parts of the tuple have to match. */
const BY_PROTOCOL = 1 << 3;
const BY_DESTINATION_PORT = 1 << 5;

/** Forgets where the datagrams to a port of this machine go. */
export function forgetDatagrams(version: 4 | 6, port: number): NetlinkMessage {
  const head = Uint8Array.of(version === 4 ? AF_INET : AF_INET6, VERSION, 0, 0);
  const protocol = nest(TUPLE_PROTOCOL, u8(Protocol.number, UDP), attribute(Protocol.destinationPort, portBytes(port)));
  return message(
    DELETE_FLOWS,
    Flag.ack,
    head,
    nest(Flow.original, protocol),
    nest(Flow.filter, u32(FILTER_ORIGINAL, BY_PROTOCOL | BY_DESTINATION_PORT)),
  );
}
