/** thaw stop */
import { forEachName, makeCommand } from "../command.ts";
import type { Context } from "../context.ts";
import { secondsOption } from "../options.ts";
import { failedToo, print } from "../print.ts";

export const command = ({ client }: Context) =>
  makeCommand("stop", "Stop containers: SIGTERM first, SIGKILL when that did not help in time.", [
    ["thaw stop web", "give it 10 seconds to end"],
    ["thaw stop -t 1 web db", "give each one second"],
  ])
    .argument("<container...>", "names or ids")
    .option("-t, --time <seconds>", "how long to wait before SIGKILL", "10")
    .action(async (names: string[], { time }: { time: string }) => {
      const t = secondsOption("--time", time);
      await forEachName(
        names,
        async (id) => {
          await client.send("containerStop", { params: { id }, query: { t } });
          print(id);
        },
        failedToo,
      );
    });
