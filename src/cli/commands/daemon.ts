/** thaw daemon | daemon status | daemon stop */
import type { DaemonStatus } from "../../api/thaw.ts";
import { makeCommand } from "../command.ts";
import { type CommandContext, passiveClient } from "../context.ts";
import { print, printJson } from "../print.ts";
import { stopDaemon } from "../stop-daemon.ts";

export const command = ({ paths, programs }: CommandContext) =>
  makeCommand(
    "daemon",
    "Run the daemon in the foreground until SIGTERM; its containers and sleeping services go on without it. Other commands start it in the background when none runs.",
    [
      ["thaw daemon", "in the foreground, for a service manager"],
      ["thaw daemon status", "whether one runs"],
      ["thaw daemon stop --force", "end it, the launcher and every container"],
    ],
  )
    .hiddenOption("--announce", "say on stdout when it serves")
    .action(async ({ announce = false }: { announce?: boolean }) => {
      const { runDaemon } = await programs.daemon();
      await runDaemon(paths, { announce });
    })
    .addCommand(status())
    .addCommand(stop());

function status() {
  return makeCommand("status", "Show whether a daemon runs, and what it holds. Starts nothing.", [
    ["thaw daemon status --json", "as JSON"],
  ])
    .option("--json", "show it as JSON")
    .action(async ({ json = false }: { json?: boolean }) => {
      const facts = await passiveClient().json<DaemonStatus>("daemonStatus");
      if (json) return printJson(facts);
      print(`thaw ${facts.version}, pid ${facts.pid}, since ${facts.startedAt}`);
      print(`${facts.containersRunning} containers run, ${facts.services} services`);
      print(`data in ${facts.dataDirectory}, sockets and logs in ${facts.runDirectory}`);
    });
}

function stop() {
  return makeCommand(
    "stop",
    "End the daemon and the launcher. Refused while containers run or services wait, unless forced.",
    [
      ["thaw daemon stop", "when nothing runs"],
      ["thaw daemon stop --force", "kill what runs"],
    ],
  )
    .option("-f, --force", "kill running containers and let go of the services' ports")
    .action(async ({ force = false }: { force?: boolean }) => {
      await stopDaemon(passiveClient(), force);
      print("the daemon has stopped");
    });
}
