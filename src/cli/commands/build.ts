/** thaw build */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import type { BuildInput, BuildResult } from "../../api/images.ts";
import { ThawError } from "../../common/errors.ts";
import { show } from "../../common/show.ts";
import { collect, makeCommand } from "../command.ts";
import type { Context } from "../context.ts";
import { print, printError } from "../print.ts";

interface Options {
  tag?: string;
  file?: string;
  buildArg?: string[];
  rootfs?: string;
  caFile?: string;
  cache: boolean;
  quiet?: boolean;
}

export const command = (context: Context) =>
  makeCommand(
    "build",
    "Build an image from a directory: by its Dockerfile, or without one as a Python application\n(its requirements.txt installed, its files in /app).",
    [
      ["thaw build -t hello examples/hello", "an image called hello"],
      ["thaw build --rootfs ./rootfs examples/hello", "its root file system as a directory"],
      ["thaw build -t web --build-arg VERSION=2 .", "a value for the Dockerfile's ARG VERSION"],
    ],
  )
    .argument("<directory>", "the application: what COPY takes files from")
    .option("-t, --tag <name>", "name the image, NAME[:TAG]")
    .option("-f, --file <dockerfile>", "the Dockerfile (default: DIRECTORY/Dockerfile)")
    .option("--build-arg <name=value>", "set an ARG of the Dockerfile; may be repeated", collect)
    .option("--rootfs <directory>", "write the root file system there, an empty or new directory")
    .option("--ca-file <file>", "CA certificates that RUN steps may use while they run; not left in the image")
    .option("--no-cache", "do every step again")
    .option("-q, --quiet", "print only the image's id")
    .action((directory: string, options: Options) => build(context, directory, options));

async function build({ client }: Context, directory: string, options: Options): Promise<void> {
  const request = buildRequest(directory, options);
  const result = await client.progress<BuildResult>("buildCreate", { body: request }, (line) => {
    if (options.quiet !== true) printError(line);
  });
  if (options.quiet === true) return print(result.id);
  print(result.tag === null ? `Built ${result.id}` : `Built ${result.tag} (${result.id})`);
  if (request.rootfs !== undefined) print(`Root file system in ${request.rootfs}`);
}

function buildRequest(directory: string, { tag, file, buildArg = [], rootfs, caFile, cache }: Options): BuildInput {
  const context = resolve(directory);
  if (!existsSync(context)) {
    throw new ThawError("PATH_NOT_FOUND", `${context} does not exist`, { hint: "Give the application's directory." });
  }
  return {
    context,
    args: Object.fromEntries(buildArg.map(splitArgument)),
    noCache: !cache,
    ...(tag === undefined ? {} : { tag }),
    ...(file === undefined ? {} : { dockerfile: resolve(file) }),
    ...(rootfs === undefined ? {} : { rootfs: resolve(rootfs) }),
    ...(caFile === undefined ? {} : { caFile: resolve(caFile) }),
  };
}

function splitArgument(text: string): [string, string] {
  const at = text.indexOf("=");
  if (at > 0) return [text.slice(0, at), text.slice(at + 1)];
  const value = process.env[text];
  if (value !== undefined) return [text, value];
  throw new ThawError("INVALID", `--build-arg: expected NAME=value, got ${show(text)}`, {
    hint: "A name alone takes its value from the environment, where it is not set.",
  });
}
