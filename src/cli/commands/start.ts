/** thaw start */
import { forEachName, makeCommand } from "../command.ts";
import type { Context } from "../context.ts";
import { failedToo, print } from "../print.ts";

export const command = ({ client }: Context) =>
  makeCommand("start", "Start containers, in the background, that were made with `thaw create` or have exited.", [
    ["thaw start web db", "then: thaw logs -f web"],
  ])
    .argument("<container...>", "names or ids")
    .action(async (names: string[]) => {
      const start = async (id: string) => {
        await client.send("containerStart", { params: { id } });
        print(id);
      };
      await forEachName(names, start, failedToo);
    });
