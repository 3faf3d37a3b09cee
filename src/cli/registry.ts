/**
 * Every command: its name, one line about it, and how to load it. Only the command asked for is loaded: that is
 * what keeps `thaw ps` quick.
 */
import { ThawError } from "../common/errors.ts";
import { nearestWord } from "../common/nearest.ts";
import type { CommandModule } from "./command.ts";

export interface Entry {
  readonly name: string;
  readonly summary: string;
  readonly load: () => Promise<CommandModule>;
}

interface Section {
  readonly title: string;
  readonly entries: readonly Entry[];
}

/** The commands in the order of `thaw --help`. */
export const SECTIONS: readonly Section[] = [
  {
    title: "Services that sleep as checkpoints",
    entries: [
      {
        name: "up",
        summary: "Make the services of a compose file, asleep until a request comes",
        load: () => import("./commands/up.ts"),
      },
      { name: "down", summary: "Remove the services of a compose project", load: () => import("./commands/down.ts") },
      {
        name: "services",
        summary: "Show the services, their wake-ups and what those took",
        load: () => import("./commands/services.ts"),
      },
    ],
  },
  {
    title: "Containers",
    entries: [
      { name: "run", summary: "Run a command in a new container", load: () => import("./commands/run.ts") },
      {
        name: "create",
        summary: "Make a container without starting it",
        load: () => import("./commands/create.ts"),
      },
      {
        name: "start",
        summary: "Start containers that were made or have exited",
        load: () => import("./commands/start.ts"),
      },
      { name: "ps", summary: "List containers", load: () => import("./commands/ps.ts") },
      { name: "logs", summary: "Show a container's output", load: () => import("./commands/logs.ts") },
      { name: "stop", summary: "Stop containers", load: () => import("./commands/stop.ts") },
      { name: "restart", summary: "Stop containers and start them again", load: () => import("./commands/restart.ts") },
      { name: "kill", summary: "Send a signal to containers", load: () => import("./commands/kill.ts") },
      { name: "pause", summary: "Stop containers where they are", load: () => import("./commands/pause.ts") },
      { name: "unpause", summary: "Let paused containers go on", load: () => import("./commands/unpause.ts") },
      { name: "update", summary: "Change limits of containers", load: () => import("./commands/update.ts") },
      { name: "stats", summary: "Show what containers use", load: () => import("./commands/stats.ts") },
      { name: "top", summary: "Show the processes of a container", load: () => import("./commands/top.ts") },
      { name: "rm", summary: "Remove containers", load: () => import("./commands/rm.ts") },
      {
        name: "wait",
        summary: "Wait until containers exit, print their exit codes",
        load: () => import("./commands/wait.ts"),
      },
      {
        name: "port",
        summary: "Show where a container's ports are published",
        load: () => import("./commands/port.ts"),
      },
      {
        name: "inspect",
        summary: "Show all about containers, images, checkpoints or services as JSON",
        load: () => import("./commands/inspect.ts"),
      },
    ],
  },
  {
    title: "Networks",
    entries: [
      {
        name: "network",
        summary: "Make, list, show and remove networks, and put containers into them",
        load: () => import("./commands/network.ts"),
      },
    ],
  },
  {
    title: "Checkpoints",
    entries: [
      {
        name: "checkpoint",
        summary: "Make, list, show and remove checkpoints",
        load: () => import("./commands/checkpoint.ts"),
      },
      {
        name: "restore",
        summary: "Start a container out of a checkpoint",
        load: () => import("./commands/restore.ts"),
      },
    ],
  },
  {
    title: "Images",
    entries: [
      { name: "build", summary: "Build an image from a directory", load: () => import("./commands/build.ts") },
      { name: "images", summary: "List images", load: () => import("./commands/images.ts") },
      { name: "rmi", summary: "Remove images", load: () => import("./commands/rmi.ts") },
      { name: "image", summary: "List, show, remove and export images", load: () => import("./commands/image.ts") },
    ],
  },
  {
    title: "Volumes",
    entries: [
      {
        name: "volume",
        summary: "Make, list, show and remove volumes",
        load: () => import("./commands/volume.ts"),
      },
    ],
  },
  {
    title: "thaw itself",
    entries: [
      {
        name: "setup",
        summary: "Prepare this machine: check the kernel, get a working CRIU",
        load: () => import("./commands/setup.ts"),
      },
      { name: "daemon", summary: "Run, show or stop the daemon", load: () => import("./commands/daemon.ts") },
      { name: "bench", summary: "Measure thaw on this machine", load: () => import("./commands/bench.ts") },
      {
        name: "version",
        summary: "Show the versions of thaw and its daemon",
        load: () => import("./commands/version.ts"),
      },
    ],
  },
];

const ENTRIES: ReadonlyMap<string, Entry> = new Map(
  SECTIONS.flatMap(({ entries }) => entries).map((entry) => [entry.name, entry]),
);

/** The command of that name, or undefined. */
export function findCommand(name: string): Entry | undefined {
  return ENTRIES.get(name);
}

/** The error for a name that no command has. */
export function unknownCommand(name: string): ThawError {
  const near = nearestWord(name, [...ENTRIES.keys(), "help"]);
  return new ThawError("INVALID", `no command ${JSON.stringify(name.slice(0, 60))}`, {
    hint: near === undefined ? "See `thaw --help` for the commands." : `Did you mean \`thaw ${near}\`?`,
  });
}
