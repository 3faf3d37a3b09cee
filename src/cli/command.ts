/**
 * How every command is made. A command file exports `command`, a function from the context to a recipe; registry.ts
 * knows the files, dispatch.ts loads only the one asked for.
 */
import { ThawError } from "../common/errors.ts";
import type { CommandContext } from "./context.ts";
import { type Example, Recipe } from "./recipe.ts";

export interface CommandModule {
  readonly command: (context: CommandContext) => Recipe;
}

/** A command with its one-sentence description and its examples; both are mandatory, a test checks them. */
export function makeCommand(name: string, description: string, examples: readonly Example[]): Recipe {
  return new Recipe(name, description, examples);
}

/** A group of commands: `thaw image ls`. Without a command it is an error that lists them. */
export function makeGroup(
  name: string,
  description: string,
  examples: readonly Example[],
  commands: readonly Recipe[],
): Recipe {
  const group = makeCommand(name, description, examples);
  for (const command of commands) group.addCommand(command);
  // Its words are no argument for the help to show.
  return group.anyWords((words) => {
    const names = commands.map((command) => command.name).join(", ");
    throw new ThawError("INVALID", `${name}: expected one of ${names}, got ${words[0] ?? "nothing"}`, {
      hint: `See \`thaw ${name} --help\`.`,
    });
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
