/**
 * How every command is made: commander with our own way of printing and ending. A command file exports `command`,
 * a function from the context to a commander Command; registry.ts knows the files, main.ts loads only the one asked for.
 */
import { Command, type CommanderError } from "commander";
import { ThawError } from "../common/errors.ts";
import type { CommandContext } from "./context.ts";
import { print } from "./print.ts";

export interface CommandModule {
  readonly command: (context: CommandContext) => Command;
}

/** One example for the help: what is typed, and what it does. */
export type Example = readonly [typed: string, does: string];

/** A command with its one-sentence description and its examples; both are mandatory, a test checks them. */
export function makeCommand(name: string, description: string, examples: readonly Example[]): Command {
  const width = Math.max(...examples.map(([typed]) => typed.length));
  const lines = examples.map(([typed, does]) => `  ${typed.padEnd(width)}  # ${does}`);
  return new Command(name)
    .description(description)
    .helpOption("-h, --help", "show this help")
    .helpCommand(false)
    .addHelpText("after", `\nExamples:\n${lines.join("\n")}`)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => print(text.trimEnd()),
      // What is wrong is thrown as well, and printed once, by main.
      writeErr: () => undefined,
      outputError: () => undefined,
      getOutHelpWidth: () => 100,
      getOutHasColors: () => false,
    });
}

/** A group of commands: `thaw image ls`. Without a command it is an error that lists them. */
export function makeGroup(
  name: string,
  description: string,
  examples: readonly Example[],
  commands: readonly Command[],
): Command {
  const group = makeCommand(name, description, examples);
  for (const command of commands) group.addCommand(command);
  return group
    .action((_options: unknown, self: Command) => {
      const names = commands.map((command) => command.name()).join(", ");
      throw new ThawError("INVALID", `${name}: expected one of ${names}, got ${self.args[0] ?? "nothing"}`, {
        hint: `See \`thaw ${name} --help\`.`,
      });
    })
    .allowExcessArguments();
}

/** A command under the program's name, so that its help and errors are told with it. */
export function underProgram(command: Command): Command {
  return new Command("thaw").enablePositionalOptions().helpCommand(false).exitOverride().addCommand(command);
}

/** What commander threw, as our own error; undefined when it only showed the help. */
export function usageError(error: CommanderError, command: string): ThawError | undefined {
  if (error.exitCode === 0) return undefined;
  return new ThawError("INVALID", error.message.replace(/^error: /, ""), {
    hint: `See \`${["thaw", command].join(" ").trim()} --help\`.`,
  });
}

/** For options that may be given more than once. */
export function collect(value: string, before: readonly string[] = []): string[] {
  return [...before, value];
}

/** Does something for each name, goes on after a failure, and throws the first one at the end. */
export async function forEachName(
  names: readonly string[],
  work: (name: string) => Promise<void>,
  failed: (error: unknown) => void,
) {
  let first: unknown;
  for (const name of names) {
    try {
      await work(name);
    } catch (error) {
      if (first !== undefined) failed(first);
      first = error;
    }
  }
  if (first !== undefined) throw first;
}
