/** thaw kill */
import { forEachName, makeCommand } from "../command.ts";
import type { Context } from "../context.ts";
import { failedToo, print } from "../print.ts";

export const command = ({ client }: Context) =>
  makeCommand("kill", "Send a signal to the main process of containers.", [
    ["thaw kill web", "SIGKILL"],
    ["thaw kill -s HUP web", "another signal"],
  ])
    .argument("<container...>", "names or ids")
    .option("-s, --signal <signal>", "name or number of the signal", "KILL")
    .action(async (names: string[], { signal }: { signal: string }) => {
      await forEachName(
        names,
        async (id) => {
          await client.send("containerKill", { params: { id }, query: { signal } });
          print(id);
        },
        failedToo,
      );
    });
