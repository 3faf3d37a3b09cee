/** thaw unpause */
import { forEachName, makeCommand } from "../command.ts";
import type { Context } from "../context.ts";
import { failedToo, print } from "../print.ts";

export const command = ({ client }: Context) =>
  makeCommand("unpause", "Let the processes of paused containers go on.", [
    ["thaw unpause web", "from where they stopped"],
  ])
    .argument("<container...>", "names or ids")
    .action(async (names: string[]) => {
      await forEachName(
        names,
        async (id) => {
          await client.send("containerUnpause", { params: { id } });
          print(id);
        },
        failedToo,
      );
    });
