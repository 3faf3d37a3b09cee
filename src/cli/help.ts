/**
 * The help of thaw as a whole. Commands bring their own (`thaw COMMAND --help`).
 */
import { SECTIONS } from "./registry.ts";

const WIDTH = 12;

/** The text of `thaw --help`. */
export function overview(): string {
  const sections = SECTIONS.map(({ title, entries }) => {
    const rows = entries.map(({ name, summary }) => `  ${name.padEnd(WIDTH)}${summary}`);
    return [`${title}:`, ...rows].join("\n");
  });
  return [
    "Usage: thaw COMMAND [OPTIONS]",
    "thaw boots containers out of checkpoints: a sleeping service answers within milliseconds.",
    ...sections,
    [
      "Examples:",
      "  thaw build -t hello examples/hello        # an image out of a directory",
      "  thaw run hello python3 hello.py           # a command in a container of it",
      "  thaw up -f examples/flask/compose.yaml    # a service that sleeps until a request comes",
      "  thaw services                             # how often it woke, and what that took",
    ].join("\n"),
    [
      "Environment:",
      "  THAW_DATA     what must survive (default /var/lib/thaw)",
      "  THAW_RUN      sockets and logs (default /run/thaw)",
      "  THAW_CACHE    what can be fetched again (default /var/cache/thaw)",
      "  THAW_DEBUG=1  stack traces with errors",
    ].join("\n"),
    "The daemon is started by the first command that needs it. `thaw help COMMAND`\nor `thaw COMMAND --help` explains a command.",
  ].join("\n\n");
}
