/** thaw bench: what it measures lives in src/bench. */
import { makeCommand } from "../command.ts";
import type { CommandContext } from "../context.ts";

export const command = ({ programs }: CommandContext) =>
  makeCommand("bench", "Measure thaw on this machine.", [
    ["thaw bench", "list the benchmarks"],
    ["thaw bench create --seconds 10", "lean containers a second, with latencies"],
    ["thaw bench restore --sizes 1,256", "dump, restore and touch a process's memory, by each engine and tier"],
  ])
    .argument("[benchmark...]", "the benchmark and its options; each explains itself with --help")
    .allowUnknownOption()
    .passThroughOptions()
    .action(async (argv: string[]) => {
      const { main } = await programs.bench();
      await main(argv);
    });
