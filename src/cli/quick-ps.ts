/**
 * `thaw ps` without its command-line library: it is what people and prompts call all the time, and loading the
 * library would take a third of its time. Anything but the plain flags goes the usual way (commands/ps.ts), which
 * prints by the same functions.
 */
import type { ContainerSummary } from "../api/containers.ts";
import { makeContext } from "./context.ts";
import { print } from "./print.ts";
import { psText } from "./ps-text.ts";

const FLAGS: Readonly<Record<string, "all" | "quiet">> = {
  "-a": "all",
  "--all": "all",
  "-q": "quiet",
  "--quiet": "quiet",
};

/** Whether `argv` holds nothing but plain flags. */
export function isQuick(argv: readonly string[]): boolean {
  return argv.every((argument) => Object.hasOwn(FLAGS, argument));
}

/** Lists containers. @param argv  accepted by `isQuick`. */
export async function quickPs(argv: readonly string[]): Promise<void> {
  const has = (flag: string) => argv.some((argument) => FLAGS[argument] === flag);
  const rows = await makeContext().client.json<ContainerSummary[]>("containerList", { query: { all: has("all") } });
  const text = psText(rows, has("quiet"));
  if (text !== "") print(text);
}
