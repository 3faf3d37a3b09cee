/** thaw create */
import type { CreateResponse } from "../../api/containers.ts";
import { makeCommand } from "../command.ts";
import { addContainerOptions, type ContainerOptions } from "../container-options.ts";
import { createRequest } from "../container-request.ts";
import type { Context } from "../context.ts";
import { print } from "../print.ts";

export const command = ({ client }: Context) =>
  addContainerOptions(
    makeCommand("create", "Make a container without starting it, and print its id. `thaw start` starts it.", [
      ["thaw create --name web -p 8001:8000 hello", "then: thaw start web"],
    ])
      .usage("[options] IMAGE [COMMAND...]\n       thaw create [options] --rootfs DIRECTORY -- COMMAND...")
      .argument("[image-and-command...]", "the image, and the command instead of the image's own"),
  ).action(async (words: string[], options: ContainerOptions) => {
    const query = options.name === undefined ? {} : { name: options.name };
    const body = createRequest(words, options, options.interactive === true);
    print((await client.json<CreateResponse>("containerCreate", { query, body })).Id);
  });
