/** thaw update */
import { ThawError } from "../../common/errors.ts";
import { forEachName, makeCommand } from "../command.ts";
import type { Context } from "../context.ts";
import { addLimitOptions, type LimitOptions, limitFields } from "../limit-options.ts";
import { failedToo, print } from "../print.ts";

export const command = ({ client }: Context) =>
  addLimitOptions(
    makeCommand(
      "update",
      "Change the limits of containers while they run: all that are given, or none. They are kept over a restart.",
      [
        ["thaw update --memory 256m web", "more, or less if it can give the rest back"],
        ["thaw update --cpus 0.5 --pids-limit 100 web db", "of two containers"],
      ],
    ),
  )
    .argument("<container...>", "names or ids")
    .action(async (names: string[], options: LimitOptions) => {
      const body = limitFields(options);
      if (Object.keys(body).length === 0) {
        throw new ThawError("INVALID", "update: expected at least one limit, got none", {
          hint: "For example: thaw update --memory 256m web",
        });
      }
      await forEachName(
        names,
        async (id) => {
          await client.json("containerUpdate", { params: { id }, body });
          print(id);
        },
        failedToo,
      );
    });
