/** This program's terminal while it is a container's. Loaded only when one is asked for. */
import { isatty, ReadStream } from "node:tty";
import type { ApiClient } from "../api/client.ts";
import { ThawError } from "../common/errors.ts";

/**
 * The terminal becomes the container's: raw, so that its keys are, and of its size, at the start and after each change.
 * @returns what gives it back.
 * @throws ThawError INVALID when input is wanted from something that is no terminal.
 */
export function followTerminal(client: ApiClient, started: Promise<string>, input: boolean): () => void {
  if (input && !isatty(0)) {
    throw new ThawError("INVALID", "-t with input: stdin is not a terminal", { hint: "Leave out -t." });
  }
  const resize = async () => {
    const { columns, rows } = process.stdout;
    if (!columns || !rows) return;
    const id = await started;
    await client.send("containerResize", { params: { id }, query: { h: rows, w: columns } }).catch(() => undefined);
  };
  void resize();
  process.on("SIGWINCH", resize);
  const terminal = input ? process.stdin : undefined;
  if (terminal instanceof ReadStream) terminal.setRawMode(true);
  return () => {
    process.off("SIGWINCH", resize);
    if (terminal instanceof ReadStream) terminal.setRawMode(false);
  };
}
