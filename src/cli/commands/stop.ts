/** thaw stop */
import { forEachName, makeCommand } from "../command.ts";
import type { Context } from "../context.ts";
import { secondsOption } from "../options.ts";
import { failedToo, print } from "../print.ts";

export const command = ({ client }: Context) =>
  makeCommand("stop", "Stop containers: their stop signal first, SIGKILL when that did not help in time.", [
    ["thaw stop web", "give it 10 seconds to end"],
    ["thaw stop -t 1 web db", "give each one second"],
  ])
    .argument("<container...>", "names or ids")
    .option("-t, --time <seconds>", "how long to wait before SIGKILL (default: the container's --stop-timeout, or 10)")
    .option("-s, --signal <signal>", "what is sent first (default: the container's --stop-signal, or SIGTERM)")
    .action(async (names: string[], { time, signal }: { time?: string; signal?: string }) => {
      const t = time === undefined ? undefined : secondsOption("--time", time);
      await forEachName(
        names,
        async (id) => {
          await client.send("containerStop", { params: { id }, query: { t, signal } });
          print(id);
        },
        failedToo,
      );
    });
