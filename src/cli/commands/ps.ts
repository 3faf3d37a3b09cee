/** thaw ps */
import type { ContainerSummary } from "../../api/containers.ts";
import { makeCommand } from "../command.ts";
import type { Context } from "../context.ts";
import { print } from "../print.ts";
import { psText } from "../ps-text.ts";

interface Options {
  all?: boolean;
  quiet?: boolean;
  format: "table" | "json";
}

export const command = ({ client }: Context) =>
  makeCommand("ps", "List containers: the running ones, or all.", [
    ["thaw ps", "what runs"],
    ["thaw ps -a", "what has exited too"],
    ["thaw rm -f $(thaw ps -aq)", "remove every container"],
  ])
    .option("-a, --all", "show also containers that do not run")
    .option("-q, --quiet", "show only ids")
    .choice("--format <format>", "how to show them", ["table", "json"], "table")
    .action(async ({ all = false, quiet = false, format }: Options) => {
      const rows = await client.json<ContainerSummary[]>("containerList", { query: { all } });
      // One object a line, as Docker does it: made for line-wise tools.
      const text = format === "json" ? rows.map((row) => JSON.stringify(row)).join("\n") : psText(rows, quiet);
      if (text !== "") print(text);
    });
