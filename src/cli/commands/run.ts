/** thaw run */
import { makeCommand } from "../command.ts";
import { addContainerOptions, type ContainerOptions } from "../container-options.ts";
import { createRequest } from "../container-request.ts";
import type { Context } from "../context.ts";
import { print } from "../print.ts";
import { runAttached, runDetached, wantsInput } from "../run-container.ts";

interface Options extends ContainerOptions {
  readonly detach?: boolean;
}

export const command = (context: Context) =>
  addContainerOptions(
    makeCommand(
      "run",
      "Run a command in a new container. Its output, exit code and signals are this command's; so is its stdin when that is a pipe or a file, and with -i in any case.",
      [
        ["thaw run hello python3 hello.py", "a command in the image hello"],
        ["thaw run -it --rm hello sh", "a shell on this terminal, removed afterwards"],
        ["thaw run --rootfs ./rootfs -- /bin/ls /", "a command in a directory; changes do not reach it"],
        ["thaw run -d --name web -p 8001:8000 hello", "in the background, behind a port"],
        ["thaw run --read-only --tmpfs /tmp --cap-drop ALL hello", "with less than usual"],
      ],
    )
      .usage("[options] IMAGE [COMMAND...]\n       thaw run [options] --rootfs DIRECTORY -- COMMAND...")
      .argument("[image-and-command...]", "the image, and the command instead of the image's own")
      .option("-d, --detach", "run in the background and print the container's id"),
  ).action((words: string[], options: Options) => run(context, words, options));

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
