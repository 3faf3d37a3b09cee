/**
 * Recipes as commands of commander, with our own way of printing and ending. Loaded for help, and for what
 * plain-arguments.ts does not understand.
 */
import { Command, CommanderError, Option } from "commander";
import { ThawError } from "../common/errors.ts";
import { print } from "./print.ts";
import { type OptionRecipe, perform, type Recipe } from "./recipe.ts";

/** Runs `thaw name ...argv`. @throws ThawError INVALID for a wrong use, else what the command throws. */
export async function runByCommander(recipe: Recipe, argv: readonly string[]): Promise<void> {
  const command = toCommander(recipe);
  try {
    await command.parent?.parseAsync([recipe.name, ...argv], { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    const usage = usageError(error, recipe.name);
    if (usage !== undefined) throw usage;
  }
}

/** A command under the program's name, so that its help and errors are told with it. */
export function toCommander(recipe: Recipe): Command {
  const command = translate(recipe);
  new Command("thaw").enablePositionalOptions().helpCommand(false).exitOverride().addCommand(command);
  return command;
}

function translate(recipe: Recipe): Command {
  const command = new Command(recipe.name)
    .description(recipe.description)
    .helpOption("-h, --help", "show this help")
    .helpCommand(false)
    .addHelpText("after", examplesText(recipe))
    .exitOverride()
    .configureOutput({
      writeOut: (text) => print(text.trimEnd()),
      // What is wrong is thrown as well, and printed once, by main.
      writeErr: () => undefined,
      outputError: () => undefined,
      getOutHelpWidth: () => 100,
      getOutHasColors: () => false,
    })
    .passThroughOptions(recipe.passThrough)
    .allowUnknownOption(recipe.allowUnknown);
  if (recipe.usageText !== undefined) command.usage(recipe.usageText);
  for (const { syntax, description } of recipe.arguments) command.argument(syntax, description);
  for (const option of recipe.options) command.addOption(translateOption(option));
  for (const inner of recipe.commands) command.addCommand(translate(inner));
  const { run, wordsRun } = recipe;
  if (wordsRun !== undefined) command.allowExcessArguments().action((_, self: Command) => wordsRun(self.args));
  else if (run !== undefined) command.action((...values) => perform(run, values.slice(0, -1)));
  return command;
}

function translateOption({ flags, description, group, collector, fallback, choices, hidden }: OptionRecipe): Option {
  const option = new Option(flags, description).hideHelp(hidden === true);
  if (group !== undefined) option.helpGroup(group);
  if (choices !== undefined) option.choices([...choices]);
  if (collector !== undefined) option.argParser(collector);
  return fallback === undefined ? option : option.default(fallback);
}

function examplesText({ examples }: Recipe): string {
  const width = Math.max(...examples.map(([typed]) => typed.length));
  const lines = examples.map(([typed, does]) => `  ${typed.padEnd(width)}  # ${does}`);
  return `\nExamples:\n${lines.join("\n")}`;
}

/** What commander threw, as our own error; undefined when it only showed the help. */
function usageError(error: CommanderError, command: string): ThawError | undefined {
  if (error.exitCode === 0) return undefined;
  return new ThawError("INVALID", error.message.replace(/^error: /, ""), {
    hint: `See \`${["thaw", command].join(" ").trim()} --help\`.`,
  });
}
