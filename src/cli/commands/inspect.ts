/** thaw inspect */
import type { RouteName } from "../../api/routes.ts";
import { ThawError } from "../../common/errors.ts";
import { makeCommand } from "../command.ts";
import type { Context } from "../context.ts";
import { printJson } from "../print.ts";

/** Where a name is looked up, in this order: the route and its parameter. */
const KINDS = {
  container: ["containerInspect", "id"],
  image: ["imageInspect", "name"],
  checkpoint: ["checkpointInspect", "name"],
  service: ["serviceInspect", "id"],
} as const satisfies Record<string, readonly [RouteName, string]>;

export const command = (context: Context) =>
  makeCommand("inspect", "Show all about containers, images, checkpoints or services as a JSON list.", [
    ["thaw inspect web", "whatever has that name; containers come first"],
    ["thaw inspect --type image hello", "the image of that name"],
  ])
    .argument("<name...>", "names or ids")
    .option("--type <kind>", `what to look for: ${Object.keys(KINDS).join(", ")}`)
    .action(async (names: string[], { type }: { type?: string }) => {
      const kinds = Object.entries(KINDS).filter(([kind]) => type === undefined || type === kind);
      if (kinds.length === 0) {
        throw new ThawError("INVALID", `--type: expected ${Object.keys(KINDS).join(", ")}, got ${type}`, {
          hint: "See `thaw inspect --help`.",
        });
      }
      const found: unknown[] = [];
      for (const name of names)
        found.push(
          await inspect(
            context,
            name,
            kinds.map(([, place]) => place),
          ),
        );
      printJson(found);
    });

async function inspect(
  { client }: Context,
  name: string,
  places: (typeof KINDS)[keyof typeof KINDS][],
): Promise<unknown> {
  for (const [route, parameter] of places) {
    try {
      return await client.json(route, { params: { [parameter]: name } });
    } catch (error) {
      const nothing = error instanceof ThawError && (error.status === 404 || error.code === "INVALID");
      if (!nothing || places.length === 1) throw error;
    }
  }
  throw new ThawError("CONTAINER_NOT_FOUND", `nothing is called ${JSON.stringify(name.slice(0, 60))}`, {
    hint: "See thaw ps -a, thaw images, thaw checkpoint ls and thaw services.",
  });
}
