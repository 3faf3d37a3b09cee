/**
 * A sample of each message and operation that has none by hand, made from the definition: strings with letters of
 * several bytes, numbers that use all of theirs. They never change, or the golden frames would say nothing.
 */
import type { Message, Op } from "../src/launcher/generated/protocol.ts";
import { type FieldType, type Records, readDefinition } from "./definition.ts";
import { camel } from "./render-ts.ts";

const VALUES: Readonly<Record<FieldType, unknown>> = {
  u8: 0xfe,
  u16: 0xfedc,
  u32: 0xfedc_ba98,
  u64: 0xfedc_ba98_7654_3210n,
  i32: -0x7edc_ba99,
  str: "/ä/🧊,=:\\ \n",
  bytes: new Uint8Array([0, 1, 254, 255]),
  strs: ["", "ä", "b=c"],
  plan: [],
  phases: [
    { phase: 1, ns: 0n },
    { phase: 254, ns: 0xfedc_ba98_7654_3210n },
  ],
};

function derive(kind: string, fields: Readonly<Record<string, FieldType>>): Record<string, unknown> {
  return { kind, ...Object.fromEntries(Object.entries(fields).map(([name, type]) => [camel(name), VALUES[type]])) };
}

function deriveAll(records: Records, left: (kind: string) => boolean): [string, Record<string, unknown>][] {
  return Object.entries(records).flatMap(([kind, { fields }]) => (left(kind) ? [[kind, derive(kind, fields)]] : []));
}

/**
 * File names to messages: one a message that `known` does not have, and for each operation a `run` request with that
 * operation alone in its plan, behind a `spawn` where it needs one.
 */
export async function derivedSamples(known: ReadonlySet<string>): Promise<Record<string, Message>> {
  const { requests, replies, events, host_ops, child_ops } = await readDefinition();
  const messages = deriveAll({ ...requests, ...replies, ...events }, (kind) => !known.has(kind));
  const spawn: Op = { kind: "spawn", role: 1, wait: 2, namespaces: 0x2c020000n, join: 0 };
  const run = { kind: "run", id: "op", sandbox: "", stdio: 0, log: "", cleanup: [] };
  const ops = [
    ...deriveAll(host_ops, () => true).map(([kind, op]) => [`op_${kind}`, { ...run, plan: [op] }]),
    ...deriveAll(child_ops, () => true).map(([kind, op]) => [`op_${kind}`, { ...run, plan: [spawn, op] }]),
  ];
  // The definition is what the types were generated from.
  return Object.fromEntries([...messages, ...ops]) as Record<string, Message>;
}
