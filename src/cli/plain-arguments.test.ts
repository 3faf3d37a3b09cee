import { expect, test } from "bun:test";
import { collect, makeCommand } from "./command.ts";
import { toCommander } from "./commander.ts";
import { makeContext } from "./context.ts";
import { plainCall } from "./plain-arguments.ts";
import type { Recipe } from "./recipe.ts";
import { SECTIONS } from "./registry.ts";

const never = () => Promise.reject(new Error("not loaded here"));
const context = { ...makeContext(), programs: { daemon: never, bench: never } };

/** What commander makes of a line: the arguments of the action; undefined when it refuses or only helps. */
async function byCommander(recipe: Recipe, argv: readonly string[]): Promise<unknown[] | undefined> {
  let got: unknown[] | undefined;
  const note = (one: Recipe) => {
    const { run } = one;
    if (run !== undefined) {
      one.action((...values: unknown[]) => {
        got = values;
      });
    }
    for (const inner of one.commands) note(inner);
  };
  note(recipe);
  const command = toCommander(recipe);
  command.configureOutput({ writeOut: () => {} });
  await command.parent?.parseAsync([recipe.name, ...argv], { from: "user" }).catch(() => undefined);
  return got;
}

/** JSON forgets what is undefined: "not given" and "given as undefined" are the same to every command. */
const comparable = (values: readonly unknown[]) => JSON.stringify(values, sorted);
const sorted = (_: string, value: unknown) =>
  typeof value === "object" && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).sort())
    : value;

const load = async (name: string) => {
  const entry = SECTIONS.flatMap(({ entries }) => entries).find((one) => one.name === name);
  if (entry === undefined) throw new Error(`no command ${name}`);
  return (await entry.load()).command(context);
};

test.each([
  ["run", "--rm --rootfs /r -- /bin/true"],
  ["run", "hello"],
  ["run", "-it --rm hello sh -c 'x'"],
  ["run", "-itd hello -it --rm --name"],
  ["run", "-e A=1 -eB=2 --env C=3 --env=D= hello -- --x"],
  ["run", "--no-init --no-interactive --pids-limit -1 hello"],
  ["run", "--no-init --init hello"],
  ["run", "-m 5m --memory=6m -p 1:2 -p3:4 hello -"],
  ["run", "-- hello"],
  ["run", ""],
  ["ps", ""],
  ["ps", "-aq"],
  ["ps", "--format json --all"],
  ["ps", "--format=table"],
  ["stop", "a b -t 5 c"],
  ["stop", "-t5 a"],
  ["rm", "-f a"],
  ["logs", "-fn 3 a"],
  ["wait", "a -- -b"],
  ["daemon", "--announce"],
  ["daemon", "stop --force"],
  ["checkpoint", "rm a b"],
  ["image", "export a b"],
])("thaw %s %s is read as commander reads it", async (name, line) => {
  const argv = line === "" ? [] : line.split(" ");
  const plain = plainCall(await load(name), argv);
  if (plain === undefined) throw new Error("not understood");
  const other = await byCommander(await load(name), argv);
  expect(comparable([...plain.values, plain.options])).toBe(comparable(other ?? []));
});

test.each([
  ["run", "--help"],
  ["run", "-h hello"],
  ["run", "--memroy 1m hello"],
  ["run", "--rm=yes hello"],
  ["run", "--name"],
  ["run", "-x hello"],
  ["run", "-ix hello"],
  ["ps", "web"],
  ["ps", "--format yaml"],
  ["rm", ""],
  ["rm", "-f"],
  ["image", ""],
  ["image", "nosuch"],
  ["image", "export a"],
  ["daemon", "nosuch"],
])("thaw %s %s is left to commander", async (name, line) => {
  expect(plainCall(await load(name), line === "" ? [] : line.split(" "))).toBeUndefined();
});

test("values, defaults and repeated options", () => {
  const recipe = makeCommand("x", "", [])
    .argument("<a>", "")
    .argument("[more...]", "")
    .option("-l, --label <l>", "", collect)
    .option("--no-color", "")
    .option("-n, --count <n>", "", "10")
    .action(() => {});
  expect(plainCall(recipe, ["-l", "1", "v", "-l2", "w"])).toMatchObject({
    values: ["v", ["w"]],
    options: { label: ["1", "2"], color: true, count: "10" },
  });
  expect(plainCall(recipe, ["v", "--no-color"])).toMatchObject({ values: ["v", []], options: { color: false } });
});
