/** Listing and removing images: `thaw images` and `thaw image ls`, `thaw rmi` and `thaw image rm`. */
import type { ImageRemoval, ImageSummary } from "../api/images.ts";
import { forEachName, makeCommand } from "./command.ts";
import type { Context } from "./context.ts";
import { ageText, bytesText, failedToo, print, table } from "./print.ts";

/** @param name  the command's name; @param typed  how a user calls it. */
export function listImages({ client }: Context, name: string, typed: string) {
  return makeCommand(name, "List the images that are here.", [
    [typed, "names, ids, ages and sizes"],
    [`${typed} -q`, "only ids"],
  ])
    .option("-q, --quiet", "show only ids")
    .action(async ({ quiet = false }: { quiet?: boolean }) => {
      const images = await client.json<ImageSummary[]>("imageList");
      const text = quiet ? images.map(({ Id }) => shortId(Id)).join("\n") : table(HEADER, images.flatMap(rows));
      if (text !== "") print(text);
    });
}

const HEADER = ["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE"];

function rows({ Id, RepoTags, Created, Size }: ImageSummary): string[][] {
  const names = RepoTags.length === 0 ? ["<none>:<none>"] : RepoTags;
  return names.map((name) => {
    const colon = name.lastIndexOf(":");
    return [name.slice(0, colon), name.slice(colon + 1), shortId(Id), ageText(Created * 1000), bytesText(Size)];
  });
}

function shortId(id: string): string {
  return id.replace(/^sha256:/, "").slice(0, 12);
}

/** @param name  the command's name; @param typed  how a user calls it. */
export function removeImages({ client }: Context, name: string, typed: string) {
  return makeCommand(name, "Remove images: their names, and their layers when nothing else needs them.", [
    [`${typed} hello`, "the image hello:latest"],
    [`${typed} -f 3fa1c2`, "an image by its id, with all its names"],
  ])
    .argument("<image...>", "names or ids")
    .option("-f, --force", "remove an image by id although it has several names")
    .action(async (names: string[], { force = false }: { force?: boolean }) => {
      await forEachName(
        names,
        async (image) => {
          const done = await client.json<ImageRemoval[]>("imageRemove", { params: { name: image }, query: { force } });
          for (const step of done)
            print("Untagged" in step ? `Untagged: ${step.Untagged}` : `Deleted: ${step.Deleted}`);
        },
        failedToo,
      );
    });
}
