/**
 * Container routes that last as long as a container may: attach, logs, wait.
 */
import type { Duplex, Readable } from "node:stream";
import { attachQuerySchema, logsQuerySchema, type WaitResponse, waitQuerySchema } from "../../api/containers.ts";
import type { RouteName } from "../../api/routes.ts";
import { ThawError } from "../../common/errors.ts";
import { endNote } from "../../container/index.ts";
import type { Attachment, Container } from "../../container/types.ts";
import type { Call, Handler } from "../call.ts";
import { logOutput } from "../logs.ts";
import type { Parts } from "../parts.ts";
import { waitFor } from "../wait.ts";

const RAW_STREAM = "application/vnd.docker.raw-stream";
const MULTIPLEXED = "application/vnd.docker.multiplexed-stream";

export function streamRoutes(
  parts: Parts,
): Record<("containerAttach" | "containerLogs" | "containerWait") & RouteName, Handler> {
  return {
    containerAttach: (call) => attach(parts, call),
    containerLogs: (call) => logs(parts, call),
    containerWait: (call) => wait(parts, call),
  };
}

async function wait({ containers, removals }: Parts, call: Call): Promise<void> {
  const { condition } = call.query(waitQuerySchema);
  const waiting = waitFor(
    containers,
    (listener) => removals.add(listener),
    call.param("id"),
    condition || "not-running",
    call.signal,
  );
  // The client may go on to start the container as soon as it has the headers.
  call.response.writeHead(200, { "content-type": "application/json" });
  call.response.flushHeaders();
  waiting.catch(() => undefined);
  const container = await waiting;
  const answer: WaitResponse = {
    StatusCode: container.exitCode,
    ...(endNote(container) === "" ? {} : { "x-thaw": { Note: endNote(container) } }),
    ...(container.error === "" ? {} : { Error: { Message: container.error } }),
  };
  call.response.end(JSON.stringify(answer));
}

async function logs({ containers }: Parts, call: Call): Promise<void> {
  const query = call.query(logsQuerySchema);
  if (!query.stdout && !query.stderr) {
    throw new ThawError("INVALID", "logs: expected stdout=1 or stderr=1, got neither", {
      hint: "Choose at least one stream.",
    });
  }
  const container = containers.get(call.param("id"));
  const output = logOutput(containers, container, query, call.signal);
  call.response.writeHead(200, { "content-type": container.spec.tty ? RAW_STREAM : MULTIPLEXED });
  call.response.flushHeaders();
  for await (const bytes of output) {
    if (call.signal.aborted) return;
    await call.write(bytes);
  }
  call.response.end();
}

async function attach({ containers }: Parts, call: Call): Promise<void> {
  const query = call.query(attachQuerySchema);
  if (query.logs) {
    throw new ThawError("UNSUPPORTED", "attach: logs=1 is not done yet", { hint: "Ask for the logs, then attach." });
  }
  const container = containers.get(call.param("id"));
  if (container.state === "exited" || container.state === "dead") {
    throw new ThawError("WRONG_STATE", `container ${container.spec.name} has exited`, {
      hint: "See its output with thaw logs.",
    });
  }
  const streams = { stdin: query.stdin && container.spec.openStdin, stdout: query.stdout, stderr: query.stderr };
  const attachment = await containers.attach(container.id, streams);
  call.signal.addEventListener("abort", () => attachment.close());
  if (call.socket === undefined) await attachPlain(call, container, attachment, streams.stdin);
  else await attachUpgraded(call, call.socket, container, attachment, streams.stdin);
}

/** The connection becomes the stream in both directions. */
async function attachUpgraded(
  call: Call,
  socket: Duplex,
  container: Container,
  attachment: Attachment,
  stdin: boolean,
) {
  socket.write(
    `HTTP/1.1 101 UPGRADED\r\nContent-Type: ${contentType(container)}\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n`,
  );
  copyInput(socket, attachment, stdin);
  for await (const bytes of attachment.output) await call.write(bytes, socket);
  socket.end();
}

/** Without an upgrade: output is the response's body, input the request's. */
async function attachPlain(call: Call, container: Container, attachment: Attachment, stdin: boolean) {
  call.response.writeHead(200, { "content-type": contentType(container) });
  call.response.flushHeaders();
  copyInput(call.request, attachment, stdin && call.request.headers["transfer-encoding"] !== undefined);
  for await (const bytes of attachment.output) await call.write(bytes);
  call.response.end();
}

/**
 * What the client sends becomes the container's input; its end ends the input and nothing else. Not by `for await`:
 * that destroys the connection at the end of what it reads, and the output goes through the same one.
 */
function copyInput(from: Readable, attachment: Attachment, wanted: boolean): void {
  let written = Promise.resolve();
  from.on("data", (bytes: Uint8Array) => {
    if (!wanted) return;
    from.pause();
    written = attachment.write(bytes).then(
      () => void from.resume(),
      () => void from.destroy(),
    );
  });
  from.on("end", () => {
    if (wanted) void written.then(() => attachment.closeInput());
  });
}

function contentType({ spec }: Container): string {
  return spec.tty ? RAW_STREAM : MULTIPLEXED;
}
