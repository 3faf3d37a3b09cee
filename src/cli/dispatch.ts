/**
 * From a command's name to its run.
 */
import type { CommandModule } from "./command.ts";
import { makeContext, type Programs } from "./context.ts";
import { plainCall } from "./plain-arguments.ts";
import { perform } from "./recipe.ts";
import { findCommand, unknownCommand } from "./registry.ts";

/** Runs `thaw name ...argv`. @throws ThawError INVALID for a wrong use, else what the command throws. */
export async function dispatch(name: string, argv: readonly string[], programs: Programs): Promise<void> {
  const { command } = await load(name);
  const recipe = command({ ...makeContext(), programs });
  const plain = plainCall(recipe, argv);
  if (plain?.recipe.run !== undefined) return perform(plain.recipe.run, [...plain.values, plain.options]);
  const { runByCommander } = await import("./commander.ts");
  await runByCommander(recipe, argv);
}

async function load(name: string): Promise<CommandModule> {
  if (name === "help") return import("./help-command.ts");
  const entry = findCommand(name);
  if (entry === undefined) throw unknownCommand(name);
  return entry.load();
}
