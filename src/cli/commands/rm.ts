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
    .option("-v, --volumes", "remove their nameless volumes, too")
    .action(async (names: string[], { force = false, volumes }: { force?: boolean; volumes?: boolean }) => {
      await forEachName(
        names,
        async (id) => {
          await client.send("containerRemove", { params: { id }, query: { force, v: volumes } });
          print(id);
        },
        failedToo,
      );
    });
