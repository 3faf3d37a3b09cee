/** thaw restart */
import { forEachName, makeCommand } from "../command.ts";
import type { Context } from "../context.ts";
import { secondsOption } from "../options.ts";
import { failedToo, print } from "../print.ts";

export const command = ({ client }: Context) =>
  makeCommand("restart", "Stop containers as `thaw stop` does, and start them again. One that is stopped is started.", [
    ["thaw restart web", "it keeps its name and what it wrote"],
  ])
    .argument("<container...>", "names or ids")
    .option("-t, --time <seconds>", "how long to wait before SIGKILL (default: the container's --stop-timeout, or 10)")
    .option("-s, --signal <signal>", "what is sent first (default: the container's --stop-signal, or SIGTERM)")
    .action(async (names: string[], { time, signal }: { time?: string; signal?: string }) => {
      const t = time === undefined ? undefined : secondsOption("--time", time);
      const restart = async (id: string) => {
        await client.send("containerRestart", { params: { id }, query: { t, signal } });
        print(id);
      };
      await forEachName(names, restart, failedToo);
    });
