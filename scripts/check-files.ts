/**
 * Checks the text of every file of ours for what must not be committed: unfinished work, types that
 * were cast away, paths of somebody's machine, hosts of package registries (mirrors are derived from
 * the machine's configuration), state in module variables.
 *
 *   bun scripts/check-files.ts [ROOT]     exits 1 and lists every place
 */
import { join, resolve } from "node:path";

interface Rule {
  readonly what: string;
  readonly pattern: RegExp;
  /** The files it holds for; all when left out. */
  readonly files?: RegExp;
}

/** What is forbidden and where. Matched line by line. */
export const RULES: readonly Rule[] = [
  { what: "unfinished work", pattern: /\b(?:TODO|FIXME|XXX)\b/ },
  { what: "a cast to any", pattern: /\bas any\b/, files: /\.ts$/ },
  { what: "a silenced compiler", pattern: /@ts-(?:ignore|nocheck|expect-error)/, files: /\.ts$/ },
  { what: "a path of somebody's machine", pattern: /(?<![\w.}-])\/(?:[w]ork|home\/[a-z]+)\// },
  {
    what: "a package registry's host",
    pattern: /\b(?:registry|deb|ftp|snapshot|security|files)\.[a-z-]+\.(?:org|com)\b/,
  },
  { what: "state in a module variable", pattern: /^(?:export )?(?:let|var) /, files: /^src\/(?!.*\.test\.ts$).*\.ts$/ },
  { what: "a merge conflict", pattern: /^(?:<{7}|>{7}) / },
];

/** This file and its test spell out what they look for. */
const EXEMPT = /^scripts\/check-files\.|^package-lock\.json$|\/fixtures\//;
const BINARY = /\.(?:png|jpg|gz|tar|zst|bin|db|img)$/;

/** The forbidden things in the text of `file`, one line each. */
export function offences(file: string, text: string): string[] {
  const rules = RULES.filter((rule) => rule.files === undefined || rule.files.test(file));
  return text
    .split("\n")
    .flatMap((line, index) =>
      rules
        .filter((rule) => rule.pattern.test(line))
        .map((rule) => `${file}:${index + 1}: ${rule.what}: ${line.trim()}`),
    );
}

/** The files of the checkout at `root` that are committed or would be with `git add`. */
function filesOf(root: string): string[] {
  const list = Bun.spawnSync(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], { cwd: root });
  if (!list.success) throw new Error(`git ls-files failed in ${root}: ${list.stderr.toString()}`);
  return list.stdout
    .toString()
    .split("\0")
    .filter((file) => file !== "" && !EXEMPT.test(file) && !BINARY.test(file));
}

/** Every offence in the checkout at `root`. */
export async function checkFiles(root: string): Promise<string[]> {
  const found = filesOf(root).map(async (name) => {
    const file = Bun.file(join(root, name));
    return (await file.exists()) ? offences(name, await file.text()) : [];
  });
  return (await Promise.all(found)).flat();
}

if (import.meta.main) {
  const found = await checkFiles(resolve(process.argv[2] ?? join(import.meta.dir, "..")));
  for (const line of found) console.error(line);
  process.exitCode = found.length > 0 ? 1 : 0;
}
