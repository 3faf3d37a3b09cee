/** thaw wait */
import type { WaitResponse } from "../../api/containers.ts";
import { forEachName, makeCommand } from "../command.ts";
import type { Context } from "../context.ts";
import { failedToo, print, printError } from "../print.ts";

export const command = ({ client }: Context) =>
  makeCommand("wait", "Wait until containers have exited and print their exit codes.", [
    ["thaw wait job", "prints 0 when the job went well"],
  ])
    .argument("<container...>", "names or ids")
    .action(async (names: string[]) => {
      await forEachName(
        names,
        async (id) => {
          const { StatusCode, "x-thaw": thaw } = await client.json<WaitResponse>("containerWait", { params: { id } });
          print(String(StatusCode));
          if (thaw?.Note) printError(`thaw: ${id}: ${thaw.Note}`);
        },
        failedToo,
      );
    });
