/**
 * Generates both sides of the launcher protocol from launcher.yaml, so that neither can drift.
 * `bun protocol/generate.ts` writes; with `--check` it writes nothing and exits 1 when a file is stale.
 * The definition is validated first: codes unique, field types known.
 */
import { parse } from "yaml";
import { z } from "zod";
import { renderC } from "./render-c.ts";
import { renderTypeScript } from "./render-ts.ts";

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

async function main(): Promise<void> {
  const here = import.meta.dir;
  const definition = definitionSchema.parse(parse(await Bun.file(`${here}/launcher.yaml`).text()));
  assertUniqueCodes("messages", { ...definition.requests, ...definition.replies, ...definition.events });
  assertUniqueCodes("operations", { ...definition.host_ops, ...definition.child_ops });
  const outputs = {
    [`${here}/../src/launcher/generated/protocol.ts`]: renderTypeScript(definition),
    [`${here}/../native/launcher/generated/protocol.h`]: renderC(definition),
  };
  const check = process.argv.includes("--check");
  let stale = 0;
  for (const [path, text] of Object.entries(outputs)) {
    const file = Bun.file(path);
    if ((await file.exists()) && (await file.text()) === text) continue;
    stale++;
    if (check) console.error(`stale: ${path.replace(`${here}/../`, "")} (run: bun protocol/generate.ts)`);
    else await Bun.write(path, text);
  }
  if (check && stale > 0) process.exit(1);
  console.log(check ? "generated files are fresh" : `${stale} file(s) written`);
}

await main();
