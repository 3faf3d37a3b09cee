/**
 * Reading a compose file: YAML with positions, variables filled in, then the strict schemas. Every error names the
 * file and the line, what is wrong there, and for a mistyped key the nearest known one.
 */
import { readFile } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { type Document, isMap, isScalar, LineCounter, parseDocument, visit } from "yaml";
import type { z } from "zod";
import { ThawError } from "../../common/errors.ts";
import { nearestWord } from "../../common/nearest.ts";
import { shorten } from "../../common/show.ts";
import { clearestIssue, describeIssue, valueAt } from "../validate.ts";
import { unknownVolume } from "./container.ts";
import type { TopVolumes } from "./container-keys.ts";
import { knownBelow, notYetBelow } from "./known-keys.ts";
import { contradiction } from "./limits.ts";
import { type ComposeService, fileSchema, NOT_YET, serviceSchema } from "./schema.ts";
import { substitute } from "./variables.ts";

/** A compose file with everything in it checked. */
export interface ComposeFile {
  readonly name: string | undefined;
  readonly volumes: TopVolumes;
  readonly services: readonly NamedService[];
}

export interface NamedService extends ComposeService {
  readonly name: string;
}

type Path = readonly PropertyKey[];
type Environment = Readonly<Record<string, string | undefined>>;

/** @throws ThawError PATH_NOT_FOUND, INVALID, UNSUPPORTED. */
export async function loadCompose(path: string, env: Environment = process.env): Promise<ComposeFile> {
  const text = await readFile(path, "utf8").catch((cause: unknown) => {
    throw new ThawError("PATH_NOT_FOUND", `cannot read the compose file ${path}`, {
      hint: "Check the path given with -f.",
      cause,
    });
  });
  return parseCompose(text, path, env);
}

/** @param file  the file's name, for messages. @throws ThawError INVALID, UNSUPPORTED. */
export function parseCompose(text: string, file: string, env: Environment = process.env): ComposeFile {
  const source = new Source(text, file);
  source.fillIn(env);
  const { name, services, volumes } = source.check(fileSchema, [], Object.keys(fileSchema.shape), NOT_YET.file);
  const named = Object.keys(services).map((service) => ({ name: service, ...checkService(source, service) }));
  for (const { name: service, volumes: wanted } of named) {
    const unknown = unknownVolume(wanted ?? [], volumes ?? {});
    if (unknown === undefined) continue;
    const at = ["services", service, "volumes", unknown.index];
    const message = `${at.join(".")}: the file has no volume ${unknown.name}`;
    const hint = `Add \`volumes: { ${unknown.name}: }\` at the top, or write ./${unknown.name} for a directory.`;
    throw source.error(at, "INVALID", message, hint);
  }
  if (named.length > 0) return { name, volumes: volumes ?? {}, services: named };
  throw source.error(["services"], "INVALID", "services: expected at least one service, got none", "Add a service.");
}

/** The project a file belongs to: as asked, as the file says, or as its directory is called. */
export function projectName(compose: ComposeFile, path: string, asked?: string): string {
  const directory = basename(dirname(path))
    .toLowerCase()
    .replace(/[^a-z0-9_-]/g, "")
    .replace(/^[_-]+/, "");
  return asked ?? compose.name ?? (directory || "project");
}

function checkService(source: Source, name: string): ComposeService {
  const at = ["services", name];
  const service = source.check(serviceSchema, at, Object.keys(serviceSchema.shape), NOT_YET.service);
  if (service.image === undefined && service.build === undefined) {
    throw source.error(at, "INVALID", `${at.join(".")}: expected image or build, got neither`, "Say what it runs.");
  }
  if ((service.ports ?? []).length === 0) {
    throw source.error(
      at,
      "INVALID",
      `${at.join(".")}: expected ports, got none`,
      "A service wakes when a connection comes to one of its ports: publish at least one.",
    );
  }
  const twice = contradiction(service);
  if (twice !== undefined) {
    const message = `${at.join(".")}: ${twice[0]} and ${twice[1]} say different things`;
    throw source.error([...at, twice[0]], "INVALID", message, "Keep one of them.");
  }
  const checkpoint = service["x-thaw"]?.checkpoint;
  if (checkpoint?.when === "healthy" && checkpoint.path === undefined) {
    throw source.error(
      [...at, "x-thaw", "checkpoint"],
      "INVALID",
      "x-thaw.checkpoint: when: healthy needs a path",
      "Add path: /health, or whatever answers when it is well.",
    );
  }
  return service;
}

/** Characters: people name keys, and messages name those. */
const LONGEST_MESSAGE = 500;

/** A YAML text with positions. */
class Source {
  readonly #document: Document.Parsed;
  readonly #lines = new LineCounter();
  readonly #file: string;
  #value: unknown;

  constructor(text: string, file: string) {
    this.#file = file;
    this.#document = parseDocument(text, {
      lineCounter: this.#lines,
      prettyErrors: false,
      merge: true,
      logLevel: "error",
    });
    const [problem] = this.#document.errors;
    if (problem === undefined) return;
    const { line, col } = this.#lines.linePos(problem.pos[0]);
    throw new ThawError("INVALID", `${file}:${line}:${col}: not YAML: ${problem.message}`, {
      hint: "Correct that line.",
    });
  }

  /** Puts variables' values into all strings. */
  fillIn(env: Environment): void {
    visit(this.#document, {
      Scalar: (key, node) => {
        if (key === "key" || typeof node.value !== "string" || !node.value.includes("$")) return;
        const filled = substitute(node.value, env);
        if (filled.ok) node.value = filled.text;
        else
          throw this.#errorAt(
            node.range?.[0],
            "INVALID",
            filled.problem,
            "Set the variable, or write $$ for a plain $.",
          );
      },
    });
    this.#value = this.#plain();
  }

  /** The document as values. An alias may name no anchor, or unfold to more than anybody wrote. */
  #plain(): unknown {
    try {
      return this.#document.toJS({ maxAliasCount: 100 });
    } catch (cause) {
      const what = shorten(cause instanceof Error ? cause.message : String(cause), LONGEST_MESSAGE);
      throw new ThawError("INVALID", `${this.#file}: not YAML: ${what}`, {
        hint: "Correct the aliases (*name).",
        cause,
      });
    }
  }

  /**
   * What is at `at` as `schema` sees it; keys that begin with x- and are not thaw's are somebody else's.
   * @throws ThawError INVALID, UNSUPPORTED.
   */
  check<S extends z.ZodType>(schema: S, at: Path, known: readonly string[], notYet: readonly string[]): z.output<S> {
    const value = withoutExtensions(valueAt(this.#value, at), known);
    const result = schema.safeParse(value);
    if (result.success) return result.data;
    const issue = clearestIssue(result.error.issues);
    if (issue === undefined) throw this.error(at, "INVALID", "it is malformed", "Correct it.");
    const where = [...at, ...issue.path];
    if (issue.code === "unrecognized_keys") {
      const top = issue.path.length === 0;
      throw this.#unknownKey(
        where,
        issue.keys[0] ?? "",
        top ? known : knownBelow(issue.path),
        top ? notYet : notYetBelow(issue.path),
      );
    }
    throw this.error(
      where,
      "INVALID",
      `${where.join(".") || "the file"}: ${describeIssue(issue, valueAt(value, issue.path))}`,
      "Correct that line.",
    );
  }

  #unknownKey(at: Path, key: string, known: readonly string[], notYet: readonly string[]): ThawError {
    const where = [...at, key];
    if (notYet.includes(key)) {
      return this.error(where, "UNSUPPORTED", `thaw does not do \`${key}\` yet`, "Remove it.");
    }
    const near = nearestWord(key, [...known, ...notYet]);
    const hint = near === undefined ? `Known keys here: ${known.join(", ")}.` : `Did you mean \`${near}\`?`;
    return this.error(where, "INVALID", `unknown key \`${key}\` in ${at.join(".") || "the file"}`, hint);
  }

  error(at: Path, code: "INVALID" | "UNSUPPORTED", message: string, hint: string): ThawError {
    return this.#errorAt(this.#offset(at), code, message, hint);
  }

  #errorAt(offset: number | undefined, code: "INVALID" | "UNSUPPORTED", message: string, hint: string): ThawError {
    const { line } = this.#lines.linePos(offset ?? 0);
    return new ThawError(code, `${this.#file}:${Math.max(1, line)}: ${shorten(message, LONGEST_MESSAGE)}`, { hint });
  }

  /** Where the nearest node on the way to `at` begins: for a key, the key itself. */
  #offset(at: Path): number | undefined {
    for (let length = at.length; length > 0; length--) {
      const parent = length === 1 ? this.#document.contents : this.#document.getIn(at.slice(0, length - 1), true);
      const key = at[length - 1];
      if (isMap(parent)) {
        const pair = parent.items.find((item) => isScalar(item.key) && String(item.key.value) === String(key));
        if (isScalar(pair?.key)) return pair.key.range?.[0];
      }
      const node: unknown = this.#document.getIn(at.slice(0, length), true);
      if (isScalar(node)) return node.range?.[0];
    }
    return this.#document.contents?.range?.[0];
  }
}

function withoutExtensions(value: unknown, known: readonly string[]): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  // One that is nearly ours is a typo, not somebody else's.
  const foreign = (key: string) =>
    key.startsWith("x-") && !known.includes(key) && nearestWord(key.slice(2), ["thaw"]) === undefined;
  return Object.fromEntries(Object.entries(value).filter(([key]) => !foreign(key)));
}
