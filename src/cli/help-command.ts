/** thaw help. Not in the registry: it knows the registry. */
import { makeCommand } from "./command.ts";
import type { CommandContext } from "./context.ts";
import { overview } from "./help.ts";
import { print } from "./print.ts";
import { findCommand, unknownCommand } from "./registry.ts";

export const command = (context: CommandContext) =>
  makeCommand("help", "Show help about thaw or one of its commands.", [
    ["thaw help", "all commands"],
    ["thaw help checkpoint create", "one of them"],
  ])
    .argument("[command...]", "the command")
    .action(async (path: string[]) => {
      const [name, ...rest] = path;
      if (name === undefined) return print(overview());
      const entry = findCommand(name);
      if (entry === undefined) throw unknownCommand(name);
      const { toCommander } = await import("./commander.ts");
      const command = toCommander((await entry.load()).command(context));
      const inner = rest.reduce((at, part) => at.commands.find((child) => child.name() === part) ?? at, command);
      inner.outputHelp();
    });
