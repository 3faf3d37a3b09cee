/**
 * Whatever is typed or sent: it becomes a value, or an error that says what to do. Option texts, whole command lines of
 * every command, JSON bodies and compose files, arbitrary ones and ones that nearly make sense.
 */
import { expect, test } from "bun:test";
import fc from "fast-check";
import type { z } from "zod";
import { parseCompose } from "../src/api/compose/load.ts";
import { createSchema, listQuerySchema } from "../src/api/containers.ts";
import { hostConfigSchema } from "../src/api/host-config.ts";
import { buildSchema, exportSchema } from "../src/api/images.ts";
import { networkConnectSchema, networkCreateSchema } from "../src/api/networks.ts";
import { checkpointCreateSchema, daemonStopSchema, restoreSchema, serviceUpSchema } from "../src/api/thaw.ts";
import { parse } from "../src/api/validate.ts";
import { volumeCreateSchema } from "../src/api/volumes.ts";
import { toCommander } from "../src/cli/commander.ts";
import { command as createCommand } from "../src/cli/commands/create.ts";
import { makeContext } from "../src/cli/context.ts";
import { mountOption } from "../src/cli/mount-options.ts";
import { countOption, cpusOption, secondsOption, sizeOption } from "../src/cli/options.ts";
import { plainCall } from "../src/cli/plain-arguments.ts";
import { perform, type Recipe } from "../src/cli/recipe.ts";
import { SECTIONS } from "../src/cli/registry.ts";
import { ThawError } from "../src/common/errors.ts";
import { holds, holdsAsync } from "./support/property.ts";
import { anyBody, anyJson, anyText } from "./support/senseless-json.ts";

const BAD_INPUT = ["INVALID", "UNSUPPORTED", "PATH_NOT_FOUND"];
const LONGEST_MESSAGE = 1000;

/** A value, or an error as a user should see it; undefined for the error. */
function valueOrRefusal<T>(make: () => T): T | undefined {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof ThawError)) throw error;
    expect(BAD_INPUT).toContain(error.code);
    expect(error.hint ?? "").not.toBe("");
    expect(error.message.length).toBeLessThan(LONGEST_MESSAGE);
    expect(error.message).not.toMatch(/\[object |undefined/);
    return undefined;
  }
}

test("every option's text becomes a whole number within bounds, or is refused", () => {
  const readers: readonly ((text: string) => number)[] = [
    (text) => sizeOption("--memory", text),
    cpusOption,
    (text) => countOption("--pids-limit", text, -1),
    (text) => secondsOption("--time", text),
  ];
  holds(
    fc.property(anyText, fc.constantFrom(...readers), (text, read) => {
      const value = valueOrRefusal(() => read(text));
      if (value !== undefined) expect({ text, value, safe: Number.isSafeInteger(value) }).toMatchObject({ safe: true });
    }),
    3000,
  );
});

const container = (hostConfig: object) => parse(createSchema, { Image: "a", HostConfig: hostConfig }, "the body");

test.each<[string, () => unknown]>([
  [
    "a security option by a name that every object has",
    () => container({ SecurityOpt: ["no-new-privileges=constructor"] }),
  ],
  ["an option of a tmpfs by such a name", () => container({ Tmpfs: { "/run": "constructor" } })],
  ["its value by such a name", () => container({ Tmpfs: { "/run": "toString=1" } })],
  ["a field of a mount by such a name", () => mountOption("type=bind,source=/a,target=/b,__proto__=1")],
  ["a size that no number holds", () => sizeOption("--memory", `${"9".repeat(400)}t`)],
  ["a duration that no number holds", () => secondsOption("--time", `${"9".repeat(400)}s`)],
  ["CPUs that no machine has", () => cpusOption("9".repeat(400))],
  ["an alias that names nothing", () => parseCompose("<<: *a", "compose.yaml", {})],
  ["a key of 5,000 letters", () => parseCompose(`${"x".repeat(5000)}: 1`, "compose.yaml", {})],
])("%s is refused", (_, make) => {
  expect(valueOrRefusal(make)).toBeUndefined();
});

/** Lines for a command: its options with any values, words, and what is in no help. */
function anyLine(recipe: Recipe): fc.Arbitrary<string[]> {
  const option = fc
    .tuple(fc.constantFrom("--nothing", ...recipe.options.map(({ flags }) => flags)), anyText, fc.nat(4))
    .map(([flags, value, form]) => {
      const names = flags.split(/[ ,|]+/).filter((part) => part.startsWith("-"));
      const name = names[form % names.length] ?? "--nothing";
      if (!/[<[]/.test(flags)) return [name];
      return form === 4 ? [`${name}=${value}`] : [name, value];
    });
  const words = fc.array(anyText, { maxLength: 3 });
  const inner = recipe.commands.map(({ name }) => name);
  const first = inner.length === 0 ? fc.constant<string[]>([]) : fc.constantFrom(...inner).map((name) => [name]);
  return fc.tuple(first, fc.array(option, { maxLength: 4 }), words).map(([a, b, c]) => [...a, ...b.flat(), ...c]);
}

const never = () => Promise.reject(new Error("not loaded here"));
const context = { ...makeContext(), programs: { daemon: never, bench: never } };
const entries = SECTIONS.flatMap((section) => section.entries);

/** What commander makes of a line; undefined when it refuses or helps. */
async function byCommander(recipe: Recipe, argv: readonly string[]): Promise<unknown[] | undefined> {
  let got: unknown[] | undefined;
  const note = (one: Recipe) => {
    if (one.run !== undefined) {
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

/** JSON forgets what is undefined, and the order of keys is nobody's business. */
const comparable = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value ?? null, (_, inner) => (typeof inner === "string" ? `${inner.length}:${inner}` : inner)),
  );

test.each(entries.map(({ name, load }) => [name, load] as const))(
  "thaw %s reads every line as commander does",
  async (_, load) => {
    const { command } = await load();
    await holdsAsync(
      fc.asyncProperty(anyLine(command(context)), async (argv) => {
        const plain = plainCall(command(context), argv);
        if (plain === undefined) return;
        expect(comparable([...plain.values, plain.options])).toEqual(
          comparable(await byCommander(command(context), argv)),
        );
      }),
      100,
    );
  },
);

/** Ends a command where it would ask the daemon. */
class Asked extends Error {
  readonly body: unknown;
  constructor(body: unknown) {
    super("asked");
    this.body = body;
  }
}

test("thaw create makes a request that the daemon understands, or refuses the line", async () => {
  let asked = 0;
  const client = { json: (_: string, { body }: { body: unknown }) => Promise.reject(new Asked(body)) };
  // Of a client the command needs no more than this.
  const recipe = () => createCommand({ ...context, client: client as unknown as typeof context.client });
  await holdsAsync(
    fc.asyncProperty(anyLine(recipe()), async (argv) => {
      const call = plainCall(recipe(), [...argv, "image"]);
      if (call?.recipe.run === undefined) return;
      const { run } = call.recipe;
      const thrown = await Promise.resolve()
        .then(() => perform(run, [...call.values, call.options]))
        .catch((error: unknown) => error);
      if (!(thrown instanceof Asked)) {
        valueOrRefusal(() => {
          throw thrown;
        });
        return;
      }
      asked++;
      valueOrRefusal(() => parse(createSchema, JSON.parse(JSON.stringify(thrown.body)), "the request's body"));
    }),
    2000,
  );
  expect(asked).toBeGreaterThan(100);
});

const SCHEMAS: readonly (readonly [string, z.ZodType, readonly string[]])[] = [
  ["create", createSchema, ["Image", "HostConfig", ...Object.keys(createSchema.shape)]],
  ["HostConfig", hostConfigSchema, Object.keys(hostConfigSchema.shape)],
  ["build", buildSchema, Object.keys(buildSchema.shape)],
  ["export", exportSchema, Object.keys(exportSchema.shape)],
  ["checkpoint", checkpointCreateSchema, Object.keys(checkpointCreateSchema.shape)],
  ["restore", restoreSchema, Object.keys(restoreSchema.shape)],
  ["service", serviceUpSchema, Object.keys(serviceUpSchema.shape)],
  ["network", networkCreateSchema, Object.keys(networkCreateSchema.shape)],
  ["connect", networkConnectSchema, Object.keys(networkConnectSchema.shape)],
  ["volume", volumeCreateSchema, Object.keys(volumeCreateSchema.shape)],
  ["stop", daemonStopSchema, Object.keys(daemonStopSchema.shape)],
  ["list", listQuerySchema, Object.keys(listQuerySchema.shape)],
];

test.each(SCHEMAS)("any JSON is a %s request or is refused", (_, schema, keys) => {
  holds(
    fc.property(
      fc.oneof(anyJson, anyBody(keys)),
      (value) => void valueOrRefusal(() => parse(schema, value, "the request's body")),
    ),
    1000,
  );
});

const yamlLine = fc
  .tuple(
    fc.nat(4),
    fc.constantFrom(
      "services:",
      "web:",
      "image: a",
      "ports:",
      "- '1:2'",
      "build: .",
      "x-thaw:",
      "idle: 1s",
      "environment:",
      "- A=${B:-c}",
      "command: [a",
      "*a",
      "&a b",
      "? x",
      "mem_limit: 1x",
      "<<: *a",
      "deploy:",
      "\t",
    ),
    anyText,
  )
  .map(([indent, line, text]) => `${"  ".repeat(indent)}${line}${text.length < 10 ? text : ""}`);

test("any text is a compose file or is refused", () => {
  const file = fc.oneof(
    anyText,
    fc.array(yamlLine, { maxLength: 8 }).map((lines) => lines.join("\n")),
  );
  holds(
    fc.property(file, (text) => void valueOrRefusal(() => parseCompose(text, "compose.yaml", {}))),
    1500,
  );
});
