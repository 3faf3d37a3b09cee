/**
 * From a command's name to its run.
 */
import { CommanderError } from "commander";
import { type CommandModule, underProgram, usageError } from "./command.ts";
import { makeContext, type Programs } from "./context.ts";
import { findCommand, unknownCommand } from "./registry.ts";

/** Runs `thaw name ...argv`. @throws ThawError INVALID for a wrong use, else what the command throws. */
export async function dispatch(name: string, argv: readonly string[], programs: Programs): Promise<void> {
  const { command } = await load(name);
  try {
    await underProgram(command({ ...makeContext(), programs })).parseAsync([name, ...argv], { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    const usage = usageError(error, name);
    if (usage !== undefined) throw usage;
  }
}

async function load(name: string): Promise<CommandModule> {
  if (name === "help") return import("./help-command.ts");
  const entry = findCommand(name);
  if (entry === undefined) throw unknownCommand(name);
  return entry.load();
}
