import { expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import type { Command } from "commander";
import { toCommander } from "./commander.ts";
import { makeContext } from "./context.ts";
import { overview } from "./help.ts";
import { command as helpCommand } from "./help-command.ts";
import { findCommand, SECTIONS, unknownCommand } from "./registry.ts";

const never = () => Promise.reject(new Error("not loaded for help"));
const context = { ...makeContext(), programs: { daemon: never, bench: never } };
const entries = SECTIONS.flatMap((section) => section.entries);

/** A command and those inside it, with their full names. */
function family(command: Command, path = command.name()): [string, Command][] {
  return [[path, command], ...command.commands.flatMap((child) => family(child, `${path} ${child.name()}`))];
}

async function everyCommand(): Promise<[string, Command][]> {
  const loaded = await Promise.all(entries.map(async (entry) => (await entry.load()).command(context)));
  return [...loaded, helpCommand(context)].flatMap((command) => {
    return family(toCommander(command));
  });
}

/** The help as it is printed. */
function helpOf(command: Command): string {
  let text = "";
  command.configureOutput({ writeOut: (part) => (text += part), getOutHelpWidth: () => 100 });
  command.outputHelp();
  return text;
}

test("every file of commands/ is in the overview, under its own name", async () => {
  const files = readdirSync(new URL("./commands", import.meta.url)).map((file) => file.replace(/\.ts$/, ""));
  expect(entries.map(({ name }) => name).sort()).toEqual(files.sort());
  for (const { name, summary, load } of entries) {
    expect((await load()).command(context).name).toBe(name);
    expect(overview()).toContain(`  ${name.padEnd(12)}${summary}`);
  }
});

test("every command describes itself, its arguments and options, and has an example of itself", async () => {
  const all = await everyCommand();
  expect(all.length).toBeGreaterThan(25);
  for (const [path, command] of all) {
    const help = helpOf(command);
    expect(command.description(), path).not.toBe("");
    expect(help, path).toContain(`Usage: thaw ${path}`);
    const examples = help.slice(help.indexOf("\nExamples:"));
    expect(examples, path).toMatch(new RegExp(`^  thaw ${path}\\b.*# `, "m"));
    for (const option of command.options)
      if (!option.hidden) expect(option.description, `${path} ${option.flags}`).not.toBe("");
    for (const argument of command.registeredArguments) expect(argument.description, path).not.toBe("");
  }
});

test("a mistyped command is told the nearest one", () => {
  expect(findCommand("ps")?.name).toBe("ps");
  expect(unknownCommand("pss").hint).toBe("Did you mean `thaw ps`?");
  expect(unknownCommand("sevices").hint).toBe("Did you mean `thaw services`?");
  expect(unknownCommand("frobnicate").hint).toBe("See `thaw --help` for the commands.");
});
