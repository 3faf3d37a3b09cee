/** thaw top */
import type { TopResponse } from "../../api/resources.ts";
import { makeCommand } from "../command.ts";
import type { Context } from "../context.ts";
import { plain, print, table } from "../print.ts";

export const command = ({ client }: Context) =>
  makeCommand("top", "Show the processes of a container, by the host's numbers.", [
    ["thaw top web", "what runs in web"],
  ])
    .argument("<container>", "name or id")
    .action(async (id: string) => {
      const { Titles, Processes } = await client.json<TopResponse>("containerTop", { params: { id } });
      print(
        table(
          Titles,
          Processes.map((row) => row.map(plain)),
        ),
      );
    });
