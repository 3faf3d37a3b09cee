/** thaw pause */
import { forEachName, makeCommand } from "../command.ts";
import type { Context } from "../context.ts";
import { failedToo, print } from "../print.ts";

export const command = ({ client }: Context) =>
  makeCommand("pause", "Stop all processes of containers where they are. They keep their memory and use no CPU.", [
    ["thaw pause web", "nothing in it runs until it is unpaused"],
  ])
    .argument("<container...>", "names or ids")
    .action(async (names: string[]) => {
      await forEachName(
        names,
        async (id) => {
          await client.send("containerPause", { params: { id } });
          print(id);
        },
        failedToo,
      );
    });
