/** thaw volume create | ls | inspect | rm | prune */
import type { VolumeAnswer, VolumeList, VolumePruned } from "../../api/volumes.ts";
import { collect, forEachName, makeCommand, makeGroup } from "../command.ts";
import type { Context } from "../context.ts";
import { bytesText, failedToo, print, printJson, table } from "../print.ts";

export const command = (context: Context) =>
  makeGroup(
    "volume",
    "Make, list, show and remove volumes: directories that containers share and that outlive them.",
    [
      ["thaw volume create data", "then: thaw run -v data:/var/lib/data ..."],
      ["thaw volume ls", "what is here"],
    ],
    [createVolume(context), listVolumes(context), inspectVolumes(context), removeVolumes(context), prune(context)],
  );

function createVolume({ client }: Context) {
  return makeCommand("create", "Make a volume and print its name. `thaw run -v NAME:TARGET` makes it, too.", [
    ["thaw volume create data", "harmless when it is there already"],
  ])
    .argument("[name]", "its name; without one it gets a random one")
    .option("-l, --label <name=value>", "note something about the volume", collect)
    .action(async (name: string | undefined, { label = [] }: { label?: string[] }) => {
      const labels = label.map((text) => text.split(/=(.*)/s, 2)).map(([key = "", value = ""]) => [key, value]);
      const body = { Name: name ?? "", Labels: Object.fromEntries(labels) };
      print((await client.json<VolumeAnswer>("volumeCreate", { body })).Name);
    });
}

function listVolumes({ client }: Context) {
  return makeCommand("ls", "List volumes.", [
    ["thaw volume ls", "names and where they are"],
    ["thaw volume ls -q", "only names"],
  ])
    .option("-q, --quiet", "show only names")
    .action(async ({ quiet = false }: { quiet?: boolean }) => {
      const { Volumes } = await client.json<VolumeList>("volumeList");
      const rows = Volumes.map(({ Driver, Name, Mountpoint }) => [Driver, Name, Mountpoint]);
      const text = quiet ? Volumes.map(({ Name }) => Name).join("\n") : table(["DRIVER", "NAME", "DIRECTORY"], rows);
      if (text !== "") print(text);
    });
}

function inspectVolumes({ client }: Context) {
  return makeCommand("inspect", "Show all about volumes as a JSON list.", [["thaw volume inspect data", "one of them"]])
    .argument("<volume...>", "names")
    .action(async (names: string[]) => {
      const found: VolumeAnswer[] = [];
      for (const name of names) found.push(await client.json<VolumeAnswer>("volumeInspect", { params: { name } }));
      printJson(found);
    });
}

function removeVolumes({ client }: Context) {
  return makeCommand("rm", "Remove volumes with what is in them. One that a container has is not removed.", [
    ["thaw volume rm data", "for good"],
  ])
    .argument("<volume...>", "names")
    .option("-f, --force", "no error for one that is not there")
    .action(async (names: string[], { force = false }: { force?: boolean }) => {
      const remove = async (name: string) => {
        await client.send("volumeRemove", { params: { name }, query: { force } });
        print(name);
      };
      await forEachName(names, remove, failedToo);
    });
}

function prune({ client }: Context) {
  return makeCommand("prune", "Remove the volumes without a name that no container has.", [
    ["thaw volume prune", "left over by `thaw rm`"],
    ["thaw volume prune -a", "those with a name, too"],
  ])
    .option("-a, --all", "also volumes with a name")
    .action(async ({ all = false }: { all?: boolean }) => {
      const query = { filters: JSON.stringify(all ? { all: ["true"] } : {}) };
      const { VolumesDeleted, SpaceReclaimed } = await client.json<VolumePruned>("volumePrune", { query });
      for (const name of VolumesDeleted) print(name);
      print(`Freed ${bytesText(SpaceReclaimed)}`);
    });
}
