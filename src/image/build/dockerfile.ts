/**
 * Dockerfiles, parsed by dockerfile-ast and turned into a list of instructions with line numbers. What thaw cannot
 * do is refused here, before the first step runs, with its line and what to do instead.
 */
import { DockerfileParser, ModifiableInstruction } from "dockerfile-ast";
import { type ErrorCode, ThawError } from "../../common/errors.ts";
import { shorten } from "../../common/show.ts";

/** The instructions that thaw builds. */
export const KEYWORDS = [
  "FROM",
  "RUN",
  "COPY",
  "ADD",
  "WORKDIR",
  "ENV",
  "ARG",
  "LABEL",
  "EXPOSE",
  "USER",
  "CMD",
  "ENTRYPOINT",
  "VOLUME",
  "STOPSIGNAL",
  "SHELL",
] as const;

export type Keyword = (typeof KEYWORDS)[number];

/** One instruction. */
export interface Instruction {
  readonly keyword: Keyword;
  /** `--name=value` options in front of the arguments. */
  readonly flags: ReadonlyMap<string, string>;
  /** The arguments as text, continuation lines joined. */
  readonly text: string;
  /** The arguments when they are a JSON array of strings. */
  readonly json: readonly string[] | undefined;
  /** Its first line, counted from 1. */
  readonly line: number;
  /** The instruction in one line, for progress and history. */
  readonly summary: string;
}

const INSTEAD: Readonly<Record<string, string>> = {
  HEALTHCHECK: "Leave it out; a service's readiness is known because it accepts connections.",
  ONBUILD: "Write the instructions into the Dockerfile that needs them.",
  MAINTAINER: "Use LABEL maintainer=NAME.",
};
const FLAGS: Partial<Record<Keyword, readonly string[]>> = { COPY: ["chown", "chmod"], ADD: ["chown", "chmod"] };

/** Parses a Dockerfile. @throws ThawError INVALID or UNSUPPORTED, naming the line. */
export function parseDockerfile(text: string): Instruction[] {
  const parsed = DockerfileParser.parse(text);
  const instructions = parsed.getInstructions().map((node) => {
    const line = node.getRange().start.line + 1;
    const flags = node instanceof ModifiableInstruction ? node.getFlags() : [];
    const values = new Map(flags.map((flag) => [flag.getName(), flag.getValue() ?? ""]));
    return instruction(node.getInstruction().toUpperCase(), values, (node.getArgumentsContent() ?? "").trim(), line);
  });
  checkStages(instructions);
  return instructions;
}

function instruction(name: string, flags: ReadonlyMap<string, string>, text: string, line: number): Instruction {
  const keyword = KEYWORDS.find((known) => known === name);
  if (keyword === undefined) {
    throw lineError(
      "UNSUPPORTED",
      line,
      `${name} is not supported`,
      INSTEAD[name] ?? `thaw knows ${KEYWORDS.join(", ")}.`,
    );
  }
  if (/(?:^|\s)<<-?["']?\w/.test(text) && ["RUN", "COPY", "ADD"].includes(keyword)) {
    throw lineError(
      "UNSUPPORTED",
      line,
      `here-documents (${name} <<...) are not supported`,
      "Join commands with && \\.",
    );
  }
  checkFlags(keyword, flags, line);
  if (text === "") throw lineError("INVALID", line, `${keyword} has no arguments`, `Write ${keyword} ARGUMENTS.`);
  const options = [...flags].map(([flag, value]) => `--${flag}=${value} `).join("");
  const summary = `${keyword} ${options}${text.replace(/\s+/g, " ")}`;
  return { keyword, flags, text, json: jsonStrings(text), line, summary };
}

function checkFlags(keyword: Keyword, flags: ReadonlyMap<string, string>, line: number): void {
  const known = FLAGS[keyword] ?? [];
  const unknown = [...flags.keys()].find((name) => !known.includes(name));
  if (unknown === undefined) return;
  const options = known.map((name) => `--${name}`).join(", ") || "no options";
  const hint = unknown === "from" ? "Builds have one stage; copy from the context." : `${keyword} takes ${options}.`;
  throw lineError("UNSUPPORTED", line, `${keyword} --${unknown} is not supported`, hint);
}

function jsonStrings(text: string): string[] | undefined {
  if (!text.startsWith("[")) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    if (!Array.isArray(value)) return undefined;
    const strings = value.filter((item) => typeof item === "string");
    return strings.length === value.length ? strings : undefined;
  } catch {
    // As in Docker, something that only looks like JSON is a shell command.
    return undefined;
  }
}

function checkStages(instructions: readonly Instruction[]): void {
  const [first, second] = instructions.filter(({ keyword }) => keyword === "FROM");
  if (first === undefined) {
    throw new ThawError("INVALID", "the Dockerfile has no FROM", {
      hint: "Begin it with FROM thaw/python, for example.",
    });
  }
  if (second !== undefined) {
    throw lineError(
      "UNSUPPORTED",
      second.line,
      "a second FROM: builds have one stage",
      "Put all steps after one FROM.",
    );
  }
  const early = instructions.slice(0, instructions.indexOf(first)).find(({ keyword }) => keyword !== "ARG");
  if (early !== undefined)
    throw lineError("INVALID", early.line, `${early.keyword} comes before FROM`, "Begin with FROM.");
}

/** Characters: messages name what stands in the file. */
const LONGEST_MESSAGE = 500;

/** An error at a line of the Dockerfile. */
export function lineError(code: ErrorCode, line: number, message: string, hint: string): ThawError {
  return new ThawError(code, `Dockerfile line ${line}: ${shorten(message, LONGEST_MESSAGE)}`, { hint });
}

/** Adds the line to an error that knows only what is wrong. */
export function atLine(line: number, error: unknown): unknown {
  if (!(error instanceof ThawError) || error.message.startsWith("Dockerfile line")) return error;
  const hint = error.hint === undefined ? {} : { hint: error.hint };
  return new ThawError(error.code, `Dockerfile line ${line}: ${error.message}`, { ...hint, cause: error });
}
