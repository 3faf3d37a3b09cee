/** `thaw bench`: each benchmark is a file of its own and explains itself with --help. */
import { Command } from "commander";
import { createCommand } from "./create/command.ts";
import { demoCommand } from "./demo.ts";
import { densityCommand } from "./density/command.ts";
import { primitivesCommand } from "./primitives/command.ts";
import { programsCommand } from "./programs/command.ts";
import { restoreCommand } from "./restore/command.ts";
import { soakCommand } from "./soak/command.ts";
import { wakeCommand } from "./wake/command.ts";

/** Runs `thaw bench ARGV`. */
export async function main(argv: readonly string[]): Promise<void> {
  const program = new Command("thaw bench")
    .description("Measure thaw on this machine. Figures mean little without the machine and the pace beside them.")
    .showHelpAfterError("(thaw bench --help lists the benchmarks)")
    .addCommand(createCommand())
    .addCommand(primitivesCommand())
    .addCommand(programsCommand())
    .addCommand(restoreCommand())
    .addCommand(wakeCommand())
    .addCommand(densityCommand())
    .addCommand(soakCommand())
    .addCommand(demoCommand());
  if (argv.length === 0) {
    program.outputHelp();
    return;
  }
  await program.parseAsync([...argv], { from: "user" });
}
