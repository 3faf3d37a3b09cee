/** thaw checkpoint create */
import { parseDuration } from "../api/texts.ts";
import type { CheckpointAnswer, CheckpointCreateRequest } from "../api/thaw.ts";
import { ThawError } from "../common/errors.ts";
import { collect, makeCommand } from "./command.ts";
import type { Context } from "./context.ts";
import { bad, countOption } from "./options.ts";
import { bytesText, print } from "./print.ts";

interface Options {
  leaveRunning?: boolean;
  tcpEstablished?: string;
  afterRequests?: string;
  whenLog?: string;
  whenHealthy?: string | true;
  warm?: string[];
  port?: string;
  timeout?: string;
}

const HIGHEST_PORT = 65_535;

export function createCheckpoint({ client }: Context) {
  return makeCommand(
    "create",
    "Dump a running container's processes into a checkpoint. The container ends unless told otherwise.",
    [
      ["thaw checkpoint create web warm", "the container web as the checkpoint warm"],
      ["thaw checkpoint create --leave-running web warm", "and let it go on"],
      ["thaw checkpoint create web warm --when-healthy /health", "as soon as GET /health is answered"],
      ["thaw checkpoint create --after-requests 100 web warm", "when it has served 100 connections"],
    ],
  )
    .argument("<container>", "name or id of a running container")
    .argument("<name>", "the checkpoint's name")
    .option("--leave-running", "let the container go on")
    .option("--tcp-established <close|keep>", "what becomes of connections within the container (default: close)")
    .option("--after-requests <n>", "when so many more TCP connections were accepted in it and are closed")
    .option("--when-log <regex>", "when a line of its log matches")
    .option("--when-healthy [path]", "when it answers GET PATH (default: /) with a status below 400")
    .option("--warm <path>", "request a path before the dump; may be repeated", collect)
    .option("--port <port>", "where it answers requests (default: the first published port)")
    .option("--timeout <duration>", "give up waiting after this long, such as 30s (default: never)")
    .action(async (container: string, name: string, options: Options) => {
      const body = createRequest(container, name, options);
      const made = await client.json<CheckpointAnswer>("checkpointCreate", { body });
      print(`${made.name}: ${bytesText(made.sizeBytes)}, frozen for ${made.frozenMs.toFixed(1)} ms`);
    });
}

function createRequest(container: string, name: string, options: Options): CheckpointCreateRequest {
  const { leaveRunning = false, tcpEstablished = "close", warm = [], port, timeout } = options;
  for (const path of warm) if (!path.startsWith("/")) throw bad("--warm", "a path that begins with /", path);
  const when = condition(options);
  return {
    container,
    name,
    leaveRunning,
    connections: connectionsOption(tcpEstablished),
    when,
    warm,
    ...(port === undefined ? {} : { port: portOption(port) }),
    ...(timeout === undefined ? {} : { timeoutMs: timeoutOption(timeout) }),
  };
}

function condition({ afterRequests, whenLog, whenHealthy }: Options): NonNullable<CheckpointCreateRequest["when"]> {
  const given = [afterRequests, whenLog, whenHealthy].filter((option) => option !== undefined);
  if (given.length > 1) {
    throw new ThawError("INVALID", "expected one of --after-requests, --when-log, --when-healthy, got several", {
      hint: "Leave one.",
    });
  }
  if (afterRequests !== undefined)
    return { when: "requests", count: countOption("--after-requests", afterRequests, 1) };
  if (whenLog !== undefined) return { when: "log", pattern: whenLog };
  if (whenHealthy === undefined) return { when: "now" };
  const path = whenHealthy === true ? "/" : whenHealthy;
  if (!path.startsWith("/")) throw bad("--when-healthy", "a path that begins with /, or nothing behind it", path);
  return { when: "healthy", path };
}

function connectionsOption(text: string): "close" | "keep" {
  if (text === "close" || text === "keep") return text;
  throw bad("--tcp-established", "close or keep", text);
}

function portOption(text: string): number {
  const port = countOption("--port", text, 1);
  if (port > HIGHEST_PORT) throw bad("--port", `a port up to ${HIGHEST_PORT}`, text);
  return port;
}

function timeoutOption(text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined || ms === 0) throw bad("--timeout", "a duration such as 30s or 2m", text);
  return ms;
}
