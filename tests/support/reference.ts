/**
 * The reference pages docs/cli.md and docs/errors.md, made of the commands' own help and of the comments beside the
 * error codes. `bun tests/support/reference.ts` writes them; tests/docs.test.ts sees that they are fresh.
 */
import { readFileSync, writeFileSync } from "node:fs";
import type { Command } from "commander";
import { toCommander } from "../../src/cli/commander.ts";
import { makeContext } from "../../src/cli/context.ts";
import { overview } from "../../src/cli/help.ts";
import { SECTIONS } from "../../src/cli/registry.ts";
import { ERROR_CODES } from "../../src/common/errors.ts";

const ROOT = new URL("../../", import.meta.url);
const GENERATED = "<!-- Made by `bun tests/support/reference.ts`; edit the command's file or errors.ts instead. -->";

/** The pages by their path in the checkout. */
export async function referencePages(): Promise<Map<string, string>> {
  return new Map([
    ["docs/cli.md", await cliPage()],
    ["docs/errors.md", errorsPage()],
  ]);
}

async function cliPage(): Promise<string> {
  const never = () => Promise.reject(new Error("not loaded for help"));
  const context = { ...makeContext(), programs: { daemon: never, bench: never } };
  const parts = ["# The command line", GENERATED, CLI_INTRODUCTION, block(overview())];
  for (const { title, entries } of SECTIONS) {
    parts.push(`## ${title}`);
    for (const { load } of entries) {
      const command = toCommander((await load()).command(context));
      parts.push(...family(command).map(([path, member]) => `### thaw ${path}\n\n${block(helpOf(member))}`));
    }
  }
  return `${parts.join("\n\n")}\n`;
}

const CLI_INTRODUCTION = `\`thaw run\` exits with the command's own code; with 125 when thaw itself failed, 126 when the program cannot be
executed, 127 when it is not there. Every other command exits with 1 when it failed. A failure is told in two lines on
stderr, what happened and what to do about it; \`THAW_DEBUG=1\` adds the stack. Errors have codes: see
[errors.md](errors.md).

The daemon's socket (\`/run/thaw/thaw.sock\`, mode 0660, of the group \`thaw\` where there is one) speaks the Docker Engine
API for containers and images; what Docker has no word for is under \`/thaw/v1\`.`;

function family(command: Command, path = command.name()): [string, Command][] {
  return [[path, command], ...command.commands.flatMap((child) => family(child, `${path} ${child.name()}`))];
}

function helpOf(command: Command): string {
  let text = "";
  command.configureOutput({
    writeOut: (part) => (text += part),
    getOutHelpWidth: () => 100,
    getOutHasColors: () => false,
  });
  command.outputHelp();
  return text;
}

function block(text: string): string {
  return `\`\`\`text\n${text.trim()}\n\`\`\``;
}

function errorsPage(): string {
  const rows = Object.entries(ERROR_CODES).map(([code, status]) => `| \`${code}\` | ${status} | ${meaning(code)} |`);
  return `# Error codes

${GENERATED}

Every failure has a stable code; scripts may rely on codes, never on message texts. The API answers with the code's HTTP
status and a body of \`{"message", "code", "hint"}\`; \`hint\` says what to do and may be missing. A progress stream
(builds, \`thaw up\`) has the same object as \`{"error": {...}}\` in its last line.

| code | status | when |
|---|---|---|
${rows.join("\n")}
`;
}

/** The comment that stands above a code in errors.ts. */
function meaning(code: string): string {
  const source = readFileSync(new URL("src/common/errors.ts", ROOT), "utf8");
  const comment = new RegExp(`/\\*\\* ([^\\n]*) \\*/\\n\\s*${code}:`).exec(source)?.[1];
  if (comment === undefined) throw new Error(`src/common/errors.ts has no one-line comment above ${code}`);
  return comment;
}

if (import.meta.main) {
  for (const [path, text] of await referencePages()) writeFileSync(new URL(path, ROOT), text);
}
