/**
 * Messages of nfnetlink that add and remove elements of nftables sets and maps. Keys and values are concatenations:
 * each part padded to four bytes, the way nft itself lays them out.
 */
import { attribute, Flag, message, type NetlinkMessage, nest, text } from "./message.ts";

const BATCH_BEGIN = 16;
const BATCH_END = 17;
const NFTABLES = 10;
const NEW_ELEMENT = (NFTABLES << 8) | 12;
const DELETE_ELEMENT = (NFTABLES << 8) | 14;

const INET = 1;
const List = { table: 1, set: 2, elements: 3 } as const;
const Element = { key: 1, data: 2 } as const;
const LIST_ITEM = 1;
const DATA_VALUE = 1;

/** An element of a map of table `table`. */
export interface MapElement {
  readonly table: string;
  readonly map: string;
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** struct nfgenmsg; the last field is the subsystem in network byte order where a batch begins and ends. */
function head(family: number, subsystem = 0): Uint8Array {
  return Uint8Array.of(family, 0, subsystem >> 8, subsystem & 0xff);
}

/** What all elements of one transaction stand between: all are done or none. */
function transaction(messages: readonly NetlinkMessage[]): NetlinkMessage[] {
  return [message(BATCH_BEGIN, 0, head(0, NFTABLES)), ...messages, message(BATCH_END, 0, head(0, NFTABLES))];
}

/** Adds elements; one that is there with the same value is fine. */
export function addElements(elements: readonly MapElement[]): NetlinkMessage[] {
  const value = (element: MapElement) => [nest(Element.data, attribute(DATA_VALUE, element.value))];
  return transaction(elements.map((element) => change(NEW_ELEMENT, Flag.ack | Flag.create, element, value(element))));
}

/** Removes elements: all, or, when one is missing, none. */
export function deleteElements(elements: readonly MapElement[]): NetlinkMessage[] {
  return transaction(elements.map((element) => change(DELETE_ELEMENT, Flag.ack, element, [])));
}

function change(type: number, flags: number, { table, map, key }: MapElement, more: ReturnType<typeof nest>[]) {
  const item = nest(LIST_ITEM, nest(Element.key, attribute(DATA_VALUE, key)), ...more);
  return message(type, flags, head(INET), text(List.table, table), text(List.set, map), nest(List.elements, item));
}

/** Parts of a key or value, each padded to four bytes. */
export function concatenation(...parts: readonly Uint8Array[]): Uint8Array {
  const padded = parts.map((part) => {
    const bytes = new Uint8Array(Math.ceil(part.length / 4) * 4);
    bytes.set(part);
    return bytes;
  });
  return new Uint8Array(padded.flatMap((bytes) => [...bytes]));
}

/** A port in network byte order. */
export function portBytes(port: number): Uint8Array {
  return Uint8Array.of(port >> 8, port & 0xff);
}
