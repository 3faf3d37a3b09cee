/** thaw restore */
import type { ContainerDetails } from "../../api/containers.ts";
import { makeCommand } from "../command.ts";
import type { Context } from "../context.ts";
import { print } from "../print.ts";

export const command = ({ client }: Context) =>
  makeCommand("restore", "Start a new container out of a checkpoint: its processes go on where they were dumped.", [
    ["thaw restore warm", "prints the new container's name"],
    ["thaw restore --name web2 warm", "and call it web2"],
  ])
    .argument("<checkpoint>", "the checkpoint's name")
    .option("--name <name>", "the new container's name")
    .action(async (checkpoint: string, { name }: { name?: string }) => {
      const body = name === undefined ? {} : { containerName: name };
      const container = await client.json<ContainerDetails>("checkpointRestore", {
        params: { name: checkpoint },
        body,
      });
      print(container.Name.replace(/^\//, ""));
    });
