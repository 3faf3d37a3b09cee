/**
 * Arbitrary messages and plans of the launcher protocol, made from its definition: what is added there is tried here
 * without another word. Values at the edges of their types are as likely as others.
 */
import fc from "fast-check";
import { type FieldType, readDefinition } from "../../protocol/definition.ts";
import { camel } from "../../protocol/render-ts.ts";
import type { Message, Op } from "../../src/launcher/generated/protocol.ts";

type Fields = Readonly<Record<string, FieldType>>;

/** Makes the value of one field; undefined leaves it to the type's usual arbitrary. */
export type FieldChoice = (record: string, field: string, type: FieldType) => fc.Arbitrary<unknown> | undefined;

const definition = await readDefinition();
const HOST_OPS = Object.entries(definition.host_ops);
const CHILD_OPS = Object.entries(definition.child_ops);
const MOST_U64 = 2n ** 64n - 1n;

const edged = (most: number, least = 0): fc.Arbitrary<number> =>
  fc.oneof(fc.constantFrom(least, 0, 1, most - 1, most), fc.integer({ min: least, max: most }));

/** Any text that the protocol carries: no NUL, whole characters. */
export const text: fc.Arbitrary<string> = fc
  .string({ unit: "binary", maxLength: 40 })
  .map((value) => value.replaceAll("\0", "0"));

function ofType(type: FieldType, ops: fc.Arbitrary<Op>): fc.Arbitrary<unknown> {
  switch (type) {
    case "u8":
      return edged(0xff);
    case "u16":
      return edged(0xffff);
    case "u32":
      return edged(0xffff_ffff);
    case "i32":
      return edged(0x7fff_ffff, -0x8000_0000);
    case "u64":
      return fc.oneof(fc.constantFrom(0n, 1n, MOST_U64), fc.bigInt({ min: 0n, max: MOST_U64 }));
    case "str":
      return text;
    case "bytes":
      return fc.uint8Array({ maxLength: 40 });
    case "strs":
      return fc.array(text, { maxLength: 5 });
    case "plan":
      return fc.array(ops, { maxLength: 6 });
    case "phases":
      return fc.array(fc.record({ phase: edged(0xff), ns: fc.bigInt({ min: 0n, max: MOST_U64 }) }), { maxLength: 5 });
  }
}

function recordOf(kind: string, fields: Fields, choose: FieldChoice, ops: fc.Arbitrary<Op>): fc.Arbitrary<unknown> {
  const values = Object.entries(fields).map(([name, type]) => [
    camel(name),
    choose(kind, name, type) ?? ofType(type, ops),
  ]);
  return fc.record({ kind: fc.constant(kind), ...Object.fromEntries(values) });
}

const asUsual: FieldChoice = () => undefined;
const noOps = fc.constant({ kind: "pivot" } as const);

/** Any operation; `choose` narrows single fields, `known` leaves operations out. */
export function anyOp(choose = asUsual, known: (kind: string) => boolean = () => true): fc.Arbitrary<Op> {
  const kinds = [...HOST_OPS, ...CHILD_OPS].filter(([kind]) => known(kind));
  // The definition is what the type was generated from.
  return fc.oneof(...kinds.map(([kind, { fields }]) => recordOf(kind, fields, choose, noOps))) as fc.Arbitrary<Op>;
}

const HOST_KINDS = new Set(HOST_OPS.map(([kind]) => kind));

/** True for an operation that the launcher performs itself. */
export const isHostOp = (kind: string): boolean => HOST_KINDS.has(kind);

/** Any message, or any of the requests; `choose` narrows single fields, also of the plans in them. */
export function anyMessage(which: "all" | "requests" = "all", choose = asUsual): fc.Arbitrary<Message> {
  const { requests, replies, events } = definition;
  const records = Object.entries(which === "all" ? { ...requests, ...replies, ...events } : requests);
  const ops = anyOp(choose);
  // The definition is what the type was generated from.
  return fc.oneof(...records.map(([kind, { fields }]) => recordOf(kind, fields, choose, ops))) as fc.Arbitrary<Message>;
}

/** The names of all messages and operations, for who wants to see that none was left out. */
export const NAMES = {
  messages: Object.keys({ ...definition.requests, ...definition.replies, ...definition.events }),
  ops: [...HOST_OPS, ...CHILD_OPS].map(([kind]) => kind),
};
