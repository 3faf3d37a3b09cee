/** thaw restore */
import type { ContainerDetails } from "../../api/containers.ts";
import { makeCommand } from "../command.ts";
import type { Context } from "../context.ts";
import { print } from "../print.ts";

export const command = ({ client }: Context) =>
  makeCommand("restore", "Start a new container out of a checkpoint: its processes go on where they were dumped.", [
    ["thaw restore warm", "prints the new container's name"],
    ["thaw restore --name web2 warm", "and call it web2"],
    ["thaw restore --tier template warm", "out of memory, for many restores one after another"],
  ])
    .argument("<checkpoint>", "the checkpoint's name")
    .option("--name <name>", "the new container's name")
    .option("--tier <tier>", "where its memory comes from: disk, or a template in memory, kept for a while", "disk")
    .action(async (checkpoint: string, { name, tier }: { name?: string; tier: string }) => {
      const body = { tier, ...(name === undefined ? {} : { containerName: name }) };
      const container = await client.json<ContainerDetails>("checkpointRestore", {
        params: { name: checkpoint },
        body,
      });
      print(container.Name.replace(/^\//, ""));
    });
