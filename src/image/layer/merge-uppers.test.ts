/** Merged upper directories, compared by what the kernel's overlays show of them. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { holdsAsync } from "../../../tests/support/property.ts";
import { execOk } from "../../common/exec.ts";
import { packUppers, unpackUpper } from "./upper.ts";

const SIGNAL = new AbortController().signal;

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "thaw-test-"));
});

afterEach(() => rm(directory, { recursive: true, force: true }));

/** Shows an overlay, in a mount namespace of its own, and runs a script in it. */
function within(lowers: readonly string[], upper: string | undefined, script: string): Promise<string> {
  const writable = upper === undefined ? "" : `,upperdir=${upper},workdir=${upper}.work`;
  const mount = `mount -t overlay overlay -o "lowerdir=${lowers.join(":")}${writable}" ${join(directory, "view")}`;
  const text = `set -e; ${mount}; cd ${join(directory, "view")}; set +e; exec 2> /dev/null; ${script}`;
  return execOk(["unshare", "-m", "sh", "-c", `${text}; true`]);
}

/** All that is to be seen; instead of its inode, the first name of a file (what it counts is not what is to be seen). */
const LIST = `find . -type d -printf '%P %y %m %U %G\\n' | sort
  find . ! -type d -printf '%i %P %y %m %U %G %T@ %s %l\\n' | sort -k 2 |
    awk '{ if (!($1 in first)) first[$1] = $2; $1 = first[$1]; print }'
  find . -type f -exec md5sum {} + | sort`;

/** Runs each script on top of the one before. @returns the upper directories, top first. */
async function write(base: string, scripts: readonly string[]): Promise<string[]> {
  let uppers: string[] = [];
  for (const [index, script] of scripts.entries()) {
    const upper = join(directory, `upper-${index}`);
    await mkdir(upper);
    await mkdir(`${upper}.work`);
    await within([...uppers, base], upper, script);
    uppers = [upper, ...uppers];
  }
  return uppers;
}

/** What is seen of the directories as they are, and of one merged out of them. */
async function compare(scripts: readonly [string, ...string[]]): Promise<{ before: string; after: string }> {
  for (const name of ["view", "base", "merged"]) await mkdir(join(directory, name));
  const base = join(directory, "base");
  const [first, ...others] = scripts;
  await execOk(["sh", "-c", `cd ${base}; exec 2> /dev/null; ${first}; true`]);
  const uppers = await write(base, others);
  const merged = join(directory, "merged");
  const refuse = (path: string) => expect(path).toBe("not dropped");
  await unpackUpper(merged, packUppers(uppers, { onDropped: refuse, onDeleted: () => {}, signal: SIGNAL }), SIGNAL);
  return {
    before: await within([...uppers, base], undefined, LIST),
    after: await within([merged, base], undefined, LIST),
  };
}

const root = process.getuid?.() === 0;

const CASES: Record<string, [string, ...string[]]> = {
  "files of both": ["echo 0 > a; echo 0 > b", "echo 1 > b; echo 1 > c", "echo 2 > c; echo 2 > d"],
  "a file that is deleted above": ["echo 0 > a", "echo 1 > b; mkdir d; echo 1 > d/x", "rm -r a b d"],
  "many that are deleted": ["touch a b c d e f", "rm a b c", "rm d e f"],
  "a directory that is made again": ["mkdir d; echo 0 > d/x", "rm -r d", "mkdir d; echo 2 > d/y"],
  "a directory that is another twice": ["mkdir d; touch d/a", "rm -r d; mkdir d; touch d/b", "touch d/c; rm d/b"],
  "a directory in place of a file": ["mkdir d; touch d/x", "rm -r d; echo 1 > d", "rm d; mkdir d; touch d/y"],
  "a file in place of a directory": ["touch x", "mkdir d; touch d/x", "rm -r d; echo 2 > d"],
  "what comes back after it was deleted": ["echo 0 > a", "rm a", "echo 2 > a"],
  "attributes of a directory": ["mkdir d; touch d/x", "chmod 700 d; touch d/y", "chown 7:8 d; chmod 711 d"],
  "a linked file whose first name goes": ["true", "echo 1 > a; ln a b; ln a c", "rm a"],
  "a linked file whose first name is another": ["true", "echo 1 > a; ln a b; ln a c; ln a d", "rm a b; echo 2 > a"],
  "a linked file whose last name goes": ["true", "echo 1 > a; ln a b", "rm b"],
  "links that are linked": ["true", "ln -s x a; ln a b", "rm a; ln -s y a"],
  "three of them": ["mkdir d; echo 0 > d/x", "rm -r d; echo 1 > e", "mkdir d; echo 2 > d/y", "rm d/y e; echo 3 > d/z"],
};

test.skipIf(!root).each(Object.entries(CASES))("%s (needs root)", async (_, scripts) => {
  const { before, after } = await compare(scripts);
  expect(after).toBe(before);
});

const path = fc.constantFrom("a", "b", "d", "d/a", "d/b", "d/e", "d/e/a", "f", "f/a");
const step = fc.oneof(
  fc.tuple(path, fc.nat(9)).map(([to, what]) => `echo ${what} > ${to}`),
  path.map((at) => `mkdir -p ${at}`),
  path.map((at) => `rm -rf ${at}`),
  fc.tuple(path, path).map(([from, to]) => `mv -T ${from} ${to}`),
  fc.tuple(path, path).map(([from, to]) => `ln ${from} ${to}`),
  fc.tuple(path, path).map(([from, to]) => `ln -s ${from} ${to}`),
  fc.tuple(path, fc.constantFrom("700", "755", "711")).map(([at, mode]) => `[ -L ${at} ] || chmod ${mode} ${at}`),
);
const script = fc.array(step, { maxLength: 12 }).map((steps) => steps.join("; ") || "true");

test.skipIf(!root)("whatever was done, the merged one shows the same (needs root)", async () => {
  await holdsAsync(
    fc.asyncProperty(script, fc.array(script, { minLength: 2, maxLength: 3 }), async (first, others) => {
      await execOk(["sh", "-c", `rm -rf ${directory}/*`]);
      const { before, after } = await compare([first, ...others]);
      expect(after).toBe(before);
    }),
    60,
  );
});
