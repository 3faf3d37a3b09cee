/**
 * Generates both sides of the launcher protocol from launcher.yaml, and of the restorer's tables from restore.yaml, so
 * that neither can drift.
 * `bun protocol/generate.ts` writes; with `--check` it writes nothing and exits 1 when a file is stale.
 */
import { readDefinition } from "./definition.ts";
import { renderC } from "./render-c.ts";
import { renderTypeScript } from "./render-ts.ts";
import { readTables, renderTablesC, renderTablesTs } from "./tables.ts";

async function main(): Promise<void> {
  const here = import.meta.dir;
  const definition = await readDefinition();
  const tables = await readTables();
  const outputs = {
    [`${here}/../src/checkpoint/compile/generated/tables.ts`]: renderTablesTs(tables),
    [`${here}/../native/restorer/generated/tables.h`]: renderTablesC(tables),
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
