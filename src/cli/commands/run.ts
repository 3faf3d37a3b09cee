/** thaw run */
import { resolve } from "node:path";
import type { CreateInput } from "../../api/containers.ts";
import { ThawError } from "../../common/errors.ts";
import { collect, makeCommand } from "../command.ts";
import type { Context } from "../context.ts";
import { countOption, cpusOption, envFile, envOption, portOption, sizeOption, volumeOption } from "../options.ts";
import { print } from "../print.ts";
import { runAttached, runDetached, wantsInput } from "../run-container.ts";

interface Options {
  interactive?: boolean;
  tty?: boolean;
  detach?: boolean;
  rm?: boolean;
  name?: string;
  env?: string[];
  envFile?: string[];
  workdir?: string;
  user?: string;
  volume?: string[];
  network?: string;
  publish?: string[];
  memory?: string;
  cpus?: string;
  pidsLimit?: string;
  hostname?: string;
  entrypoint?: string;
  label?: string[];
  init: boolean;
  userns?: string;
  rootfs?: string;
}

export const command = (context: Context) =>
  makeCommand(
    "run",
    "Run a command in a new container. Its output, exit code and signals are this command's; so is its stdin when that is a pipe or a file, and with -i in any case.",
    [
      ["thaw run hello python3 hello.py", "a command in the image hello"],
      ["thaw run -it --rm hello sh", "a shell on this terminal, removed afterwards"],
      ["thaw run --rootfs ./rootfs -- /bin/ls /", "a command in a directory; changes do not reach it"],
      ["thaw run -d --name web -p 8001:8000 hello", "in the background, behind a port"],
    ],
  )
    .usage("[options] IMAGE [COMMAND...]\n       thaw run [options] --rootfs DIRECTORY -- COMMAND...")
    .argument("[image-and-command...]", "the image, and the command instead of the image's own")
    .option("-i, --interactive", "pass stdin on, also a terminal's")
    .option("--no-interactive", "pass no stdin on")
    .option("-t, --tty", "give the container a terminal")
    .option("-d, --detach", "run in the background and print the container's id")
    .option("--rm", "remove the container when it exits")
    .option("--name <name>", "the container's name")
    .option("-e, --env <name=value>", "set a variable; a name alone takes its value from here", collect)
    .option("--env-file <file>", "set the variables of a file", collect)
    .option("-w, --workdir <directory>", "where the command starts")
    .option("-u, --user <user[:group]>", "who the command runs as")
    .option("-v, --volume <source:target[:ro]>", "show a directory or file of this machine", collect)
    .option(
      "--network <mode>",
      "none: a network of its own with nothing but loopback and published ports; host: the machine's",
    )
    .option("-p, --publish <[address:]port:port>", "publish a port: HOST:CONTAINER", collect)
    .option("-m, --memory <size>", "limit the memory, such as 512m")
    .option("--cpus <count>", "limit the CPU time, such as 0.5")
    .option("--pids-limit <count>", "limit the processes; -1 for no limit (default 512)")
    .option("--hostname <name>", "the container's host name")
    .option("--entrypoint <program>", "instead of the image's entrypoint")
    .option("-l, --label <name=value>", "note something about the container", collect)
    .option("--init", "run a small init as pid 1 (the default; checkpoints need it)")
    .option("--no-init", "make the command itself pid 1")
    .option(
      "--userns <mode>",
      "auto: a user namespace with ids of its own, so that root inside is nobody outside; host: none (the default)",
    )
    .option("--rootfs <directory>", "a directory as the root file system, instead of an image")
    .passThroughOptions()
    .action((words: string[], options: Options) => run(context, words, options));

async function run({ client }: Context, words: readonly string[], options: Options): Promise<void> {
  const input =
    options.detach === true
      ? options.interactive === true
      : (options.interactive ?? (options.tty !== true && wantsInput()));
  const request = createRequest(words, options, input);
  const target = { name: options.name, request, input, tty: options.tty === true };
  if (options.detach === true) return print(await runDetached(client, target));
  process.exitCode = await runAttached(client, target);
  // An input that nobody ends would keep this program.
  process.exit();
}

/** @throws ThawError INVALID for options that make no sense. */
export function createRequest(words: readonly string[], options: Options, input: boolean): CreateInput {
  const image = options.rootfs === undefined ? words[0] : undefined;
  const command = options.rootfs === undefined ? words.slice(1) : [...words];
  if (image === undefined && options.rootfs === undefined) {
    throw new ThawError("INVALID", "run: expected an image (or --rootfs DIRECTORY) and a command, got neither", {
      hint: "For example: thaw run hello python3 hello.py",
    });
  }
  return {
    ...(image === undefined ? {} : { Image: image }),
    ...(options.rootfs === undefined ? {} : { Rootfs: resolve(options.rootfs) }),
    ...(command.length === 0 ? {} : { Cmd: command }),
    ...(options.entrypoint === undefined ? {} : { Entrypoint: [options.entrypoint] }),
    Env: [...(options.envFile ?? []).flatMap(envFile), ...(options.env ?? []).map(envOption)],
    WorkingDir: options.workdir ?? "",
    User: options.user ?? "",
    Hostname: options.hostname ?? "",
    Tty: options.tty ?? false,
    OpenStdin: input,
    Labels: Object.fromEntries((options.label ?? []).map(splitLabel)),
    HostConfig: hostConfig(options),
  };
}

function hostConfig(options: Options): NonNullable<CreateInput["HostConfig"]> {
  const bindings: Record<string, { HostIp: string; HostPort: string }[]> = {};
  for (const { hostAddress, hostPort, containerPort } of (options.publish ?? []).map(portOption)) {
    const key = `${containerPort}/tcp`;
    bindings[key] = [...(bindings[key] ?? []), { HostIp: hostAddress, HostPort: String(hostPort) }];
  }
  return {
    NetworkMode: networkOption(options.network ?? "none"),
    Binds: (options.volume ?? []).map(volumeOption),
    PortBindings: bindings,
    AutoRemove: options.rm ?? false,
    Init: options.init,
    ...(options.userns === undefined ? {} : { UsernsMode: usernsOption(options.userns) }),
    ...(options.memory === undefined ? {} : { Memory: sizeOption("--memory", options.memory) }),
    ...(options.cpus === undefined ? {} : { NanoCpus: cpusOption(options.cpus) }),
    ...(options.pidsLimit === undefined ? {} : { PidsLimit: countOption("--pids-limit", options.pidsLimit, -1) }),
  };
}

function networkOption(mode: string): "none" | "host" {
  if (mode === "none" || mode === "host") return mode;
  throw new ThawError("INVALID", `--network: expected none or host, got ${JSON.stringify(mode)}`, {
    hint: "thaw has no other networks yet; publish ports with -p.",
  });
}

function usernsOption(mode: string): "auto" | "host" {
  if (mode === "auto" || mode === "host") return mode;
  throw new ThawError("INVALID", `--userns: expected auto or host, got ${JSON.stringify(mode)}`, {
    hint: "auto gives the container ids of its own, host uses the machine's.",
  });
}

function splitLabel(text: string): [string, string] {
  const at = text.indexOf("=");
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}
