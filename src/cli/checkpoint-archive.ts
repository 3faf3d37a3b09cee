/** thaw checkpoint export | import */
import { resolve } from "node:path";
import type { CheckpointAnswer, CheckpointExportAnswer } from "../api/thaw.ts";
import { makeCommand } from "./command.ts";
import type { Context } from "./context.ts";
import { bad } from "./options.ts";
import { bytesText, print } from "./print.ts";

export function exportCheckpoint({ client }: Context) {
  return makeCommand(
    "export",
    "Write a checkpoint into one file: memory, files and all. Whoever can read it has the processes' secrets.",
    [
      ["thaw checkpoint export warm warm.tar.zst", "compressed with zstd"],
      ["thaw checkpoint export warm warm.tar.gz", "with gzip; .tar: not at all"],
    ],
  )
    .argument("<name>", "the checkpoint's name")
    .argument("<file>", "a file that does not exist yet; only root can read it")
    .action(async (name: string, file: string) => {
      const body = { file: resolve(file) };
      const made = await client.json<CheckpointExportAnswer>("checkpointExport", { params: { name }, body });
      print(`${body.file}: ${bytesText(made.size)}, sha256:${made.sha256}`);
    });
}

interface ImportOptions {
  name?: string;
  trust?: boolean;
  digest?: string;
  image?: string;
}

export function importCheckpoint({ client }: Context) {
  return makeCommand(
    "import",
    "Make a checkpoint of a file that `thaw checkpoint export` or `podman container checkpoint --export` wrote. Its image has to be here. A checkpoint is a program with rights of its own: import only what comes from where you trust it.",
    [
      ["thaw checkpoint import warm.tar.zst", "under the name that it had"],
      ["thaw checkpoint import --trust --image web podman.tar.zst", "a container of podman's"],
      ["thaw checkpoint import --name warm2 --digest sha256:0af3... warm.tar.zst", "only if it is that very file"],
    ],
  )
    .argument("<file>", "the archive")
    .option("--name <name>", "what to call the checkpoint")
    .option("--digest <digest>", "what `export` printed: refuse any other file")
    .option("--image <image>", "the image of podman's container, when it has another name here")
    .option(
      "--trust",
      "also podman's, and those whose container wants binds, privileges or another root directory of this machine",
    )
    .action(async (file: string, { name, trust = false, digest, image }: ImportOptions) => {
      const sha256 = digest === undefined ? {} : { sha256: digestOption(digest) };
      const chosen = { ...(name === undefined ? {} : { name }), ...(image === undefined ? {} : { image }) };
      const body = { file: resolve(file), trust, ...sha256, ...chosen };
      const made = await client.json<CheckpointAnswer>("checkpointImport", { body });
      print(`${made.name}: ${bytesText(made.sizeBytes)}`);
    });
}

function digestOption(text: string): string {
  const hex = /^(?:sha256:)?([0-9a-f]{64})$/.exec(text)?.[1];
  if (hex === undefined) throw bad("--digest", "sha256: and 64 hexadecimal digits", text);
  return hex;
}
