/** thaw rm */
import { forEachName, makeCommand } from "../command.ts";
import type { Context } from "../context.ts";
import { failedToo, print } from "../print.ts";

export const command = ({ client }: Context) =>
  makeCommand("rm", "Remove containers with what they wrote and their logs.", [
    ["thaw rm web", "a container that has exited"],
    ["thaw rm -f web", "kill it first if it runs"],
  ])
    .argument("<container...>", "names or ids")
    .option("-f, --force", "kill a running container")
    .action(async (names: string[], { force = false }: { force?: boolean }) => {
      await forEachName(
        names,
        async (id) => {
          await client.send("containerRemove", { params: { id }, query: { force } });
          print(id);
        },
        failedToo,
      );
    });
