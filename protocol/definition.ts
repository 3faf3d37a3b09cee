/**
 * launcher.yaml as data: read, and validated (codes unique, field types known). What generates both sides of the
 * protocol reads it, and so do the tests that make arbitrary messages.
 */
import { parse } from "yaml";
import { z } from "zod";

const fieldType = z.enum(["u8", "u16", "u32", "u64", "i32", "str", "bytes", "strs", "plan", "phases"]);
const record = z
  .object({ code: z.number().int().min(1).max(0xffff), fields: z.record(z.string(), fieldType) })
  .strict();
const records = z.record(z.string(), record);
const definitionSchema = z
  .object({
    version: z.number().int(),
    limits: z.record(z.string(), z.number().int()),
    enums: z.record(z.string(), z.record(z.string(), z.number().int())),
    requests: records,
    replies: records,
    events: records,
    host_ops: records,
    child_ops: records,
  })
  .strict();

export type FieldType = z.infer<typeof fieldType>;
export type Records = z.infer<typeof records>;
export type Definition = z.infer<typeof definitionSchema>;

function assertUniqueCodes(what: string, all: Records): void {
  const seen = new Map<number, string>();
  for (const [name, { code }] of Object.entries(all)) {
    const other = seen.get(code);
    if (other) throw new Error(`${what}: ${name} and ${other} have the same code ${code}`);
    seen.set(code, name);
  }
}

/** The definition. @throws when it is malformed. */
export async function readDefinition(): Promise<Definition> {
  const definition = definitionSchema.parse(parse(await Bun.file(`${import.meta.dir}/launcher.yaml`).text()));
  assertUniqueCodes("messages", { ...definition.requests, ...definition.replies, ...definition.events });
  assertUniqueCodes("operations", { ...definition.host_ops, ...definition.child_ops });
  return definition;
}
