/** Renders the C side: enums, record structs and inline decoders/encoders over native/launcher/wire.h. */
import type { Definition, FieldType, Records } from "./definition.ts";

const C_TYPES: Record<FieldType, string> = {
  u8: "uint8_t",
  u16: "uint16_t",
  u32: "uint32_t",
  u64: "uint64_t",
  i32: "int32_t",
  str: "struct wire_str",
  bytes: "struct wire_bytes",
  strs: "struct wire_strs",
  plan: "struct wire_bytes",
  phases: "struct wire_phases",
};
const reader = (type: FieldType): string => (type === "plan" ? "bytes" : type);

function renderEnum(name: string, values: Record<string, number>): string {
  const upper = name.toUpperCase();
  return [
    `enum ${name} {`,
    ...Object.entries(values).map(([k, v]) => `\t${upper}_${k.toUpperCase()} = ${v},`),
    "};",
  ].join("\n");
}

function renderCodes(prefix: string, all: Records): string {
  return [
    "enum {",
    ...Object.entries(all).map(([k, { code }]) => `\t${prefix}_${k.toUpperCase()} = ${code},`),
    "};",
  ].join("\n");
}

function renderStruct(prefix: string, name: string, fields: Record<string, FieldType>): string {
  const members = Object.entries(fields).map(([field, type]) => `\t${C_TYPES[type]} ${field};`);
  if (members.length === 0) members.push("\tchar empty;");
  return [`struct ${prefix}_${name} {`, ...members, "};"].join("\n");
}

function renderDecoder(prefix: string, name: string, fields: Record<string, FieldType>): string {
  const reads = Object.entries(fields).map(([field, type]) => `\tout->${field} = wire_get_${reader(type)}(r);`);
  if (reads.length === 0) reads.push("\tout->empty = 0;");
  return [
    `static inline bool ${prefix}_decode_${name}(struct wire_reader *r, struct ${prefix}_${name} *out)`,
    "{",
    ...reads,
    "\treturn wire_end(r);",
    "}",
  ].join("\n");
}

function renderEncoder(name: string, fields: Record<string, FieldType>): string {
  const writes = Object.entries(fields).map(([field, type]) => `\twire_put_${reader(type)}(w, in->${field});`);
  if (writes.length === 0) writes.push("\t(void)in;");
  return [
    `static inline bool msg_encode_${name}(struct wire_writer *w, uint64_t tag, const struct msg_${name} *in)`,
    "{",
    `\twire_begin(w, MSG_${name.toUpperCase()}, tag);`,
    ...writes,
    "\treturn wire_finish(w);",
    "}",
  ].join("\n");
}

function renderValidator(ops: Records): string {
  const cases = Object.entries(ops).flatMap(([name, { code }]) => [
    `\tcase ${code}: {`,
    `\t\tstruct op_${name} op;`,
    `\t\treturn op_decode_${name}(r, &op);`,
    "\t}",
  ]);
  return [
    "/* True when `r` holds exactly the fields of operation `code`. */",
    "static inline bool op_valid(uint16_t code, struct wire_reader *r)",
    "{",
    "\tswitch (code) {",
    ...cases,
    "\tdefault:",
    "\t\treturn false;",
    "\t}",
    "}",
  ].join("\n");
}

export function renderC(d: Definition): string {
  const messages = { ...d.requests, ...d.replies, ...d.events };
  const ops = { ...d.host_ops, ...d.child_ops };
  const received = Object.entries(d.requests);
  const sent = Object.entries({ ...d.replies, ...d.events });
  return `${[
    "/* Generated from protocol/launcher.yaml by protocol/generate.ts. Do not edit. */",
    "#pragma once",
    '#include "../wire.h"',
    [
      "enum {",
      `\tPROTOCOL_VERSION = ${d.version},`,
      ...Object.entries(d.limits).map(([k, v]) => `\tLIMIT_${k} = ${v},`),
      "};",
    ].join("\n"),
    ...Object.entries(d.enums).map(([name, values]) => renderEnum(name, values)),
    renderCodes("MSG", messages),
    renderCodes("OP", ops),
    `static inline bool op_is_host(uint16_t code)\n{\n\treturn code < ${Math.min(...Object.values(d.child_ops).map((o) => o.code))};\n}`,
    ...Object.entries(messages).map(([name, { fields }]) => renderStruct("msg", name, fields)),
    ...Object.entries(ops).map(([name, { fields }]) => renderStruct("op", name, fields)),
    ...received.map(([name, { fields }]) => renderDecoder("msg", name, fields)),
    ...sent.map(([name, { fields }]) => renderEncoder(name, fields)),
    ...Object.entries(ops).map(([name, { fields }]) => renderDecoder("op", name, fields)),
    renderValidator(ops),
  ].join("\n\n")}\n`;
}
