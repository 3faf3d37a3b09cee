/** thaw setup: the work is the daemon's (it knows the parts); this is only its command. */
import { makeCommand } from "../command.ts";
import type { CommandContext } from "../context.ts";
import { print, printError } from "../print.ts";

export const command = ({ paths, programs }: CommandContext) =>
  makeCommand(
    "setup",
    "Prepare this machine: check what the kernel can do, and get a CRIU that works here (the system's if it does, else Debian's newer one into thaw's own directory; the system's packages stay as they are).",
    [["thaw setup", "once, as root; later commands do what is left of it by themselves"]],
  ).action(async () => {
    const { setup } = await programs.daemon();
    for (const line of await setup(paths, printError)) print(line);
  });
