/** thaw image ls | rm | inspect | export */
import { resolve } from "node:path";
import type { ImageDetails } from "../../api/images.ts";
import { makeCommand, makeGroup } from "../command.ts";
import type { Context } from "../context.ts";
import { listImages, removeImages } from "../image-list.ts";
import { print, printJson } from "../print.ts";

export const command = (context: Context) =>
  makeGroup(
    "image",
    "List, show, remove and export images.",
    [
      ["thaw image ls", "what is here"],
      ["thaw image export hello ./rootfs", "the root file system as a directory"],
    ],
    [
      listImages(context, "ls", "thaw image ls"),
      removeImages(context, "rm", "thaw image rm"),
      inspectImages(context),
      exportImage(context),
    ],
  );

function inspectImages({ client }: Context) {
  return makeCommand("inspect", "Show all about images as a JSON list.", [
    ["thaw image inspect hello", "its layers and defaults"],
  ])
    .argument("<image...>", "names or ids")
    .action(async (names: string[]) => {
      const found: ImageDetails[] = [];
      for (const name of names) found.push(await client.json<ImageDetails>("imageInspect", { params: { name } }));
      printJson(found);
    });
}

function exportImage({ client }: Context) {
  return makeCommand("export", "Write an image's root file system into a directory.", [
    ["thaw image export hello ./rootfs", "the directory must be empty or not exist"],
  ])
    .argument("<image>", "name or id")
    .argument("<directory>", "where to")
    .action(async (image: string, directory: string) => {
      const target = resolve(directory);
      await client.json("imageExport", { body: { image, directory: target } });
      print(target);
    });
}
