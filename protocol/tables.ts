/**
 * restore.yaml as data, and both sides of it: structs with asserted sizes for the restorer, and writers of the same
 * layout for the compiler. Fields are aligned as C aligns them, and a record that would need padding is an error here,
 * so that every byte of a file has a name.
 */
import { parse } from "yaml";
import { z } from "zod";
import { camel, pascal } from "./render-ts.ts";

const fieldType = z.enum(["u8", "u32", "i32", "u64"]);
const fields = z.record(z.string(), fieldType);
const definitionSchema = z.strictObject({
  magic: z.number(),
  version: z.number().int(),
  limits: z.record(z.string(), z.number().int()),
  enums: z.record(z.string(), z.record(z.string(), z.number().int())),
  sections: z.record(z.string(), fields),
  header: fields,
});

type Field = z.infer<typeof fieldType>;
type Fields = Record<string, Field>;
export interface Tables extends z.infer<typeof definitionSchema> {
  readonly magicText: string;
}

const BYTES: Record<Field, number> = { u8: 1, u32: 4, i32: 4, u64: 8 };
const C_TYPES: Record<Field, string> = { u8: "uint8_t", u32: "uint32_t", i32: "int32_t", u64: "uint64_t" };

/** The definition. @throws when it is malformed or a record has holes. */
export async function readTables(): Promise<Tables> {
  const text = await Bun.file(`${import.meta.dir}/restore.yaml`).text();
  const definition = definitionSchema.parse(parse(text));
  const magicText = /^magic: (0x[0-9a-f]{16})/m.exec(text)?.[1];
  if (magicText === undefined) throw new Error("restore.yaml: expected a magic of 16 hexadecimal digits");
  for (const [name, record] of Object.entries(definition.sections)) layout(name, record);
  return { ...definition, magicText };
}

/** Where each field of a record is, and its size. */
function layout(name: string, record: Fields): { at: [string, Field, number][]; size: number } {
  let size = 0;
  const at = Object.entries(record).map(([field, type]): [string, Field, number] => {
    if (size % BYTES[type] !== 0) throw new Error(`${name}.${field}: not aligned at ${size}`);
    size += BYTES[type];
    return [field, type, size - BYTES[type]];
  });
  const align = Math.max(...Object.values(record).map((type) => BYTES[type]));
  if (size % align !== 0) throw new Error(`${name}: ${size} bytes, expected a multiple of ${align}`);
  return { at, size };
}

/** magic, version, size; a (offset, count) pair for each section; the rest. */
function headerFields({ sections, header }: Tables): Fields {
  const pairs = Object.keys(sections).flatMap((name) => [
    [`${name}_at`, "u32"] as const,
    [`${name}_count`, "u32"] as const,
  ]);
  return { magic: "u64", version: "u32", size: "u32", ...Object.fromEntries(pairs), ...header };
}

const SINGULAR: Record<string, string> = { vmas: "vma", watches: "watch", itimers: "itimer" };
const singular = (name: string) => SINGULAR[name] ?? name.replace(/s$/, "");

export function renderTablesC(tables: Tables): string {
  const struct = (name: string, record: Fields) => {
    const members = Object.entries(record).map(([field, type]) => `\t${C_TYPES[type]} ${field};`);
    const tag = `struct restore_${name}`;
    return `${tag} {\n${members.join("\n")}\n};\n_Static_assert(sizeof(${tag}) == ${layout(name, record).size}, "${name}");`;
  };
  const records = Object.entries(tables.sections).filter(([name]) => name !== "data");
  return [
    "/* Generated from protocol/restore.yaml by protocol/generate.ts. Do not edit. */\n#pragma once\n#include <stdint.h>\n",
    `#define RESTORE_MAGIC ${tables.magicText}ULL\n#define RESTORE_VERSION ${tables.version}`,
    ...Object.entries(tables.limits).map(([name, value]) => `#define RESTORE_LIMIT_${name} ${value}`),
    ...Object.entries(tables.enums).map(
      ([name, values]) =>
        `\nenum restore_${name} {\n${Object.entries(values)
          .map(([key, value]) => `\t${name.toUpperCase()}_${key.toUpperCase()} = ${value},`)
          .join("\n")}\n};`,
    ),
    ...records.map(([name, record]) => `\n${struct(singular(name), record)}`),
    `\n${struct("header", headerFields(tables))}`,
    "\n/* Each section's name in the header, and its record's. */\n#define RESTORE_SECTIONS(SECTION) \\",
    `${records.map(([name]) => `\tSECTION(${name}, struct restore_${singular(name)})`).join(" \\\n")}\n`,
  ].join("\n");
}

export function renderTablesTs(tables: Tables): string {
  const constants = (name: string, values: Record<string, number>, key: (text: string) => string) =>
    `export const ${name} = {\n${Object.entries(values)
      .map(([field, value]) => `  ${key(field)}: ${value},`)
      .join("\n")}\n} as const;\n`;
  const record = (name: string, given: Fields) => {
    const { at, size } = layout(name, given);
    const type = pascal(name);
    const own = at.filter(([field]) => field !== "pad");
    const ts = (field: Field) => (field === "u64" ? "bigint" : "number");
    const set: Record<Field, string> = { u8: "setUint8", u32: "setUint32", i32: "setInt32", u64: "setBigUint64" };
    return [
      `export interface ${type}Record {\n${own.map(([f, t]) => `  readonly ${camel(f)}: ${ts(t)};`).join("\n")}\n}\n`,
      `export const ${name.toUpperCase()}_BYTES = ${size};\n`,
      `export function write${type}(view: DataView, at: number, value: ${type}Record): void {`,
      ...own.map(([f, t, offset]) => `  view.${set[t]}(at + ${offset}, value.${camel(f)}, true);`),
      "}\n",
    ].join("\n");
  };
  const sections = Object.entries(tables.sections).filter(([name]) => name !== "data");
  return [
    "// Generated from protocol/restore.yaml by protocol/generate.ts. Do not edit.\n",
    `export const RESTORE_MAGIC = ${tables.magicText}n;\nexport const RESTORE_VERSION = ${tables.version};\n`,
    constants("RESTORE_LIMITS", tables.limits, (text) => text),
    ...Object.entries(tables.enums).map(([name, values]) => constants(pascal(name), values, camel)),
    ...sections.map(([name, given]) => record(singular(name), given)),
    record("header", headerFields(tables)),
    renderWriter(sections.map(([name]) => name)),
  ].join("\n");
}

/** One function that lays out a whole file. */
function renderWriter(names: readonly string[]): string {
  const own = [...names, "data"].flatMap((name) => [`"${camel(name)}At"`, `"${camel(name)}Count"`]);
  const bytes = (name: string) => `${singular(name).toUpperCase()}_BYTES`;
  return [
    `/** The content of a table file. \`data\` begins and ends with a zero byte. */\nexport interface Sections {`,
    ...names.map((name) => `  readonly ${camel(name)}: readonly ${pascal(singular(name))}Record[];`),
    "  readonly data: Uint8Array;\n}\n",
    `export type HeaderFields = Omit<HeaderRecord, "magic" | "version" | "size" | ${own.join(" | ")}>;\n`,
    "export function writeTables(sections: Sections, header: HeaderFields): Uint8Array {",
    "  let size = HEADER_BYTES + (-HEADER_BYTES & 7);",
    "  const room = (bytes: number): number => {\n    size += (bytes + 7) & ~7;\n    return size - ((bytes + 7) & ~7);\n  };",
    ...names.map((name) => `  const ${camel(name)}At = room(sections.${camel(name)}.length * ${bytes(name)});`),
    "  const dataAt = room(sections.data.length);",
    "  const file = new Uint8Array(size);\n  const view = new DataView(file.buffer);",
    "  writeHeader(view, 0, {\n    ...header,\n    magic: RESTORE_MAGIC,\n    version: RESTORE_VERSION,\n    size,",
    ...names.map((name) => `    ${camel(name)}At,\n    ${camel(name)}Count: sections.${camel(name)}.length,`),
    "    dataAt,\n    dataCount: sections.data.length,\n  });",
    ...names.map(
      (name) =>
        `  sections.${camel(name)}.forEach((value, i) => {\n    write${pascal(singular(name))}(view, ${camel(name)}At + i * ${bytes(name)}, value);\n  });`,
    ),
    "  file.set(sections.data, dataAt);\n  return file;\n}\n",
  ].join("\n");
}
