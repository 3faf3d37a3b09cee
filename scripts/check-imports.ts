/**
 * Checks that the folders of src import each other only in the directions that import-rules.ts allows.
 * Works on the text, not on compiled output: type-only imports count, they are dependencies too.
 *
 *   bun scripts/check-imports.ts [SRC]     exits 1 and lists every import that points the wrong way
 */
import { dirname, join, normalize, resolve } from "node:path";
import { Glob } from "bun";
import { ALLOWED, EXCEPTIONS, LAYERS } from "./import-rules.ts";

const IMPORT = /(?:\bfrom|\bimport)\s*\(?\s*["']([^"']+)["']/g;

/** The module names that a TypeScript source imports or re-exports, in order. */
export function importsOf(source: string): string[] {
  return [...source.matchAll(IMPORT)].map((match) => match[1] ?? "");
}

/** Why `file` may not import `specifier`, or undefined when it may. `file` is relative to src. */
export function violation(file: string, specifier: string): string | undefined {
  if (!specifier.startsWith(".")) return undefined;
  const target = normalize(join(dirname(file), specifier));
  const folder = folderOf(file);
  if (folder === undefined) return `${file} is in no folder of the architecture (${LAYERS.join(", ")})`;
  if (EXCEPTIONS.some(({ from, to }) => file === from && matches(target, to))) return undefined;
  if (target.startsWith("..")) return outside(file, target);
  const targetFolder = folderOf(target);
  if (targetFolder === undefined) return `${target} is in no folder of the architecture`;
  if (folder === targetFolder || allowedFor(folder).includes(targetFolder)) return undefined;
  return `${folder} may import only: ${allowedFor(folder).join(", ") || "nothing of ours"}`;
}

function folderOf(path: string): string | undefined {
  const [folder, ...rest] = path.split("/");
  return rest.length > 0 && folder !== undefined && LAYERS.includes(folder) ? folder : undefined;
}

function allowedFor(folder: string): readonly string[] {
  return ALLOWED[folder] ?? LAYERS.slice(0, LAYERS.indexOf(folder));
}

function matches(target: string, pattern: string): boolean {
  return pattern.endsWith("/") ? target.startsWith(pattern) : target === pattern;
}

/** Nothing outside src may be imported, but a test may use the helpers in tests/. */
function outside(file: string, target: string): string | undefined {
  const testHelper = file.endsWith(".test.ts") && target.startsWith("../tests/");
  return testHelper ? undefined : "it lies outside of src";
}

/** Every wrong import below `src`, one line each, sorted by file. */
export async function checkImports(src: string): Promise<string[]> {
  const files = (await Array.fromAsync(new Glob("**/*.ts").scan(src))).sort();
  const found = files.map(async (file) => {
    const source = await Bun.file(join(src, file)).text();
    return importsOf(source).flatMap((specifier) => {
      const reason = violation(file, specifier);
      return reason === undefined ? [] : [`${file} imports ${specifier}: ${reason}`];
    });
  });
  return (await Promise.all(found)).flat();
}

if (import.meta.main) {
  const src = resolve(process.argv[2] ?? join(import.meta.dir, "../src"));
  const wrong = await checkImports(src);
  for (const line of wrong) console.error(line);
  process.exitCode = wrong.length > 0 ? 1 : 0;
}
