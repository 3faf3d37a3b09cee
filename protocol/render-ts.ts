/** Renders the TypeScript side: enums, record types, encoders and decoders over wire.ts. */
import type { Definition, FieldType, Records } from "./definition.ts";

const TS_TYPES: Record<FieldType, string> = {
  u8: "number",
  u16: "number",
  u32: "number",
  u64: "bigint",
  i32: "number",
  str: "string",
  bytes: "Uint8Array",
  strs: "readonly string[]",
  plan: "readonly Op[]",
  phases: "readonly PhaseTime[]",
};

export const pascal = (name: string): string => name.replace(/(^|_)([a-z])/g, (_, __, c: string) => c.toUpperCase());
/** A field's or value's name in TypeScript. */
export const camel = (name: string): string => name.replace(/_([a-z])/g, (_, c: string) => c.toUpperCase());

function renderEnum(name: string, values: Record<string, number>): string {
  const body = Object.entries(values).map(([key, value]) => `  ${camel(key)}: ${value},`);
  const type = pascal(name);
  return [
    `export const ${type} = {`,
    ...body,
    "} as const;",
    `export type ${type} = (typeof ${type})[keyof typeof ${type}];`,
    `export const ${type.toUpperCase() === type ? type : camel(name)}Names: Record<number, string> = {`,
    ...Object.entries(values).map(([key, value]) => `  ${value}: "${key}",`),
    "};",
  ].join("\n");
}

function renderInterface(name: string, fields: Record<string, FieldType>, suffix: string): string {
  const lines = Object.entries(fields).map(([field, type]) => `  readonly ${camel(field)}: ${TS_TYPES[type]};`);
  return [`export interface ${pascal(name)}${suffix} {`, `  readonly kind: "${name}";`, ...lines, "}"].join("\n");
}

function renderUnion(name: string, all: Records, suffix: string): string {
  return `export type ${name} =\n${Object.keys(all)
    .map((key) => `  | ${pascal(key)}${suffix}`)
    .join("\n")};`;
}

function renderEncode(fn: string, type: string, all: Records): string {
  const cases = Object.entries(all).flatMap(([name, { fields }]) => [
    `    case "${name}":`,
    ...Object.entries(fields).map(([field, t]) =>
      t === "plan" ? `      w.bytes(encodePlan(value.${camel(field)}));` : `      w.${t}(value.${camel(field)});`,
    ),
    "      return;",
  ]);
  return [`function ${fn}(w: Writer, value: ${type}): void {`, "  switch (value.kind) {", ...cases, "  }", "}"].join(
    "\n",
  );
}

function renderDecode(fn: string, type: string, all: Records): string {
  const cases = Object.entries(all).flatMap(([name, { code, fields }]) => {
    const read = Object.entries(fields).map(
      ([f, t]) => `${camel(f)}: ${t === "plan" ? "decodePlan(r.bytes())" : `r.${t}()`}`,
    );
    return [`    case ${code}:`, `      return { ${[`kind: "${name}"`, ...read].join(", ")} };`];
  });
  return [
    `function ${fn}(code: number, r: Reader): ${type} {`,
    "  switch (code) {",
    ...cases,
    "    default:",
    `      throw new WireError(\`unknown ${type} code \${code}\`);`,
    "  }",
    "}",
  ].join("\n");
}

function renderCodes(name: string, all: Records): string {
  return [
    `const ${name} = {`,
    ...Object.entries(all).map(([key, { code }]) => `  ${key}: ${code},`),
    "} as const;",
  ].join("\n");
}

export function renderTypeScript(d: Definition): string {
  const ops = { ...d.host_ops, ...d.child_ops };
  const messages = { ...d.requests, ...d.replies, ...d.events };
  const limits = Object.entries(d.limits).map(([key, value]) => `  ${key}: ${value},`);
  return `${[
    "// Generated from protocol/launcher.yaml by protocol/generate.ts. Do not edit.",
    'import { type PhaseTime, Reader, WireError, Writer } from "../wire.ts";',
    "",
    `export const PROTOCOL_VERSION = ${d.version};`,
    ["export const LIMITS = {", ...limits, "} as const;"].join("\n"),
    ...Object.entries(d.enums).map(([name, values]) => renderEnum(name, values)),
    ...Object.entries(messages).map(([name, { fields }]) => renderInterface(name, fields, "Message")),
    ...Object.entries(ops).map(([name, { fields }]) => renderInterface(name, fields, "Op")),
    renderUnion("Request", d.requests, "Message"),
    renderUnion("Reply", d.replies, "Message"),
    renderUnion("LauncherEvent", d.events, "Message"),
    "export type Message = Request | Reply | LauncherEvent;",
    renderUnion("HostOp", d.host_ops, "Op"),
    renderUnion("ChildOp", d.child_ops, "Op"),
    "export type Op = HostOp | ChildOp;",
    renderCodes("MESSAGE_CODES", messages),
    renderCodes("OP_CODES", ops),
    `export const opNames: Record<number, string> = {\n${Object.entries(ops)
      .map(([k, { code }]) => `  ${code}: "${k}",`)
      .join("\n")}\n};`,
    renderEncode("encodeMessageFields", "Message", messages),
    renderDecode("decodeMessageFields", "Message", messages),
    renderEncode("encodeOpFields", "Op", ops),
    renderDecode("decodeOpFields", "Op", ops),
    TAIL,
  ].join("\n\n")}\n`;
}

const TAIL = `/** Encodes a plan's operations. */
export function encodePlan(ops: readonly Op[]): Uint8Array {
  const w = new Writer();
  for (const op of ops) {
    w.u16(OP_CODES[op.kind]);
    w.u16(0);
    w.sized(() => encodeOpFields(w, op));
  }
  return w.finish();
}

/** Decodes a plan. @throws WireError when it is malformed. */
export function decodePlan(bytes: Uint8Array): Op[] {
  const r = new Reader(bytes);
  const ops: Op[] = [];
  while (!r.done) {
    const code = r.u16();
    if (r.u16() !== 0) throw new WireError("reserved field is not zero");
    const fields = new Reader(r.bytes());
    ops.push(decodeOpFields(code, fields));
    fields.end();
  }
  return ops;
}

/** Encodes one frame. \`tag\` 0 is for events. */
export function encodeFrame(tag: bigint, message: Message): Uint8Array {
  const w = new Writer();
  w.sized(() => {
    w.u16(MESSAGE_CODES[message.kind]);
    w.u16(0);
    w.u64(tag);
    encodeMessageFields(w, message);
  });
  return w.finish();
}

/** Decodes what follows a frame's length. @throws WireError when it is malformed. */
export function decodeFrame(body: Uint8Array): { tag: bigint; message: Message } {
  const r = new Reader(body);
  const code = r.u16();
  if (r.u16() !== 0) throw new WireError("reserved field is not zero");
  const tag = r.u64();
  const message = decodeMessageFields(code, r);
  r.end();
  return { tag, message };
}`;
