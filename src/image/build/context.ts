/**
 * The build context: a directory of the host, seen through its .dockerignore. Sources never leave it: links given
 * as a source are followed within the context as within a root, links found inside it are copied as links.
 */
import { createHash } from "node:crypto";
import { createReadStream, type Stats } from "node:fs";
import { lstat, readdir, readFile, readlink, stat } from "node:fs/promises";
import { basename, join, posix } from "node:path";
import ignore, { type Ignore } from "@balena/dockerignore";
import { errnoOf, ThawError } from "../../common/errors.ts";
import { type Digest, digestOf } from "../../content/index.ts";
import { MergedView } from "../merged.ts";

/** One thing to copy. */
export interface CopyItem {
  /** The file on the host. */
  readonly hostPath: string;
  /** Where it goes, below the destination; "" for a file that becomes the destination, or its directory. */
  readonly target: string;
  readonly kind: "file" | "directory" | "symlink";
  readonly stats: Stats;
  /** What a symlink says. */
  readonly link: string | undefined;
}

/** What a COPY names: all items, and whether they only make sense inside a directory. */
export interface CopySources {
  readonly items: readonly CopyItem[];
  /** Several sources, or a directory among them. */
  readonly needsDirectory: boolean;
}

/** A directory that COPY takes files from. */
export class BuildContext {
  readonly directory: string;
  readonly #ignored: Ignore;
  readonly #hasExceptions: boolean;

  private constructor(directory: string, rules: string) {
    this.directory = directory;
    this.#ignored = ignore().add(rules);
    this.#hasExceptions = /^\s*!/m.test(rules);
  }

  /** @throws ThawError PATH_NOT_FOUND when it is no directory. */
  static async open(directory: string): Promise<BuildContext> {
    const found = await stat(directory).catch(() => undefined);
    if (!found?.isDirectory()) {
      throw new ThawError("PATH_NOT_FOUND", `the build context ${directory} is not a directory`, {
        hint: "Give the directory that holds the application.",
      });
    }
    return new BuildContext(directory, (await readIfThere(join(directory, ".dockerignore"))) ?? "");
  }

  /** A text file of the context, or undefined. The path is relative to it. */
  async readText(path: string): Promise<string | undefined> {
    return new MergedView([this.directory]).readText(path);
  }

  /** The names directly in the context, sorted. */
  async names(): Promise<string[]> {
    return (await readdir(this.directory)).sort();
  }

  /**
   * Everything that the given sources (paths or globs) name.
   * @throws ThawError INVALID (outside the context), PATH_NOT_FOUND (nothing matches, or it is ignored)
   */
  async sources(patterns: readonly string[]): Promise<CopySources> {
    const paths = (await Promise.all(patterns.map((pattern) => this.#match(pattern)))).flat();
    const view = new MergedView([this.directory]);
    const items: CopyItem[] = [];
    let directories = 0;
    for (const path of paths) {
      const { path: real, found, missing } = await view.resolve(path);
      if (missing.length > 0) {
        throw new ThawError("PATH_NOT_FOUND", `${path} is a link to something that is not in the build context`, {
          hint: "Copy the file itself into the context.",
        });
      }
      if (!found.stats.isDirectory()) items.push(await toItem(found.hostPath, basename(path), found.stats));
      else {
        directories += 1;
        items.push(await toItem(found.hostPath, "", found.stats), ...(await this.#walk(real, "")));
      }
    }
    return { items, needsDirectory: paths.length > 1 || directories > 0 };
  }

  async #match(pattern: string): Promise<string[]> {
    const clean = posix.normalize(`/${pattern}`).slice(1).replace(/\/$/, "");
    if (posix.normalize(pattern).split("/")[0] === "..") {
      throw new ThawError("INVALID", `${pattern} lies outside the build context`, {
        hint: "Copy it into the context directory first.",
      });
    }
    let matches = [""];
    for (const part of clean.split("/").filter(Boolean)) {
      matches = (await Promise.all(matches.map((parent) => this.#matchPart(parent, part)))).flat();
    }
    const kept = matches.filter((path) => path === "" || this.#hasExceptions || !this.#ignored.ignores(path));
    if (kept.length > 0) return kept;
    const why = matches.length > 0 ? "is excluded by .dockerignore" : "is not in the build context";
    throw new ThawError("PATH_NOT_FOUND", `${pattern} ${why} (${this.directory})`, {
      hint: "Check the path's spelling.",
    });
  }

  async #matchPart(parent: string, part: string): Promise<string[]> {
    const { found, missing } = await new MergedView([this.directory]).resolve(parent);
    if (missing.length > 0 || !found.stats.isDirectory()) return [];
    const names = (await readdir(found.hostPath)).sort();
    // Go's patterns have no braces, Bun's have.
    const glob = /[*?[]/.test(part) ? new Bun.Glob(part.replace(/[{}!]/g, "\\$&")) : undefined;
    const matching = names.filter((name) => (glob === undefined ? name === part : glob.match(name)));
    return matching.map((name) => posix.join(parent, name));
  }

  /** Everything below the directory `path`, parents first, in a fixed order. */
  async #walk(path: string, target: string): Promise<CopyItem[]> {
    const items: CopyItem[] = [];
    for (const name of (await readdir(join(this.directory, path))).sort()) {
      const inside = posix.join(path, name);
      const hostPath = join(this.directory, inside);
      const stats = await lstat(hostPath);
      const ignored = this.#ignored.ignores(inside);
      if (stats.isSocket() || (ignored && !(stats.isDirectory() && this.#hasExceptions))) continue;
      const below = stats.isDirectory() ? await this.#walk(inside, posix.join(target, name)) : [];
      if (ignored && below.length === 0) continue;
      items.push(await toItem(hostPath, posix.join(target, name), stats), ...below);
    }
    return items;
  }
}

/** The digest of what would be copied: names, kinds, modes and content; times and owners do not count. */
export async function digestItems(items: readonly CopyItem[], signal?: AbortSignal): Promise<Digest> {
  const lines: unknown[] = [];
  for (const { hostPath, target, kind, stats, link } of items) {
    signal?.throwIfAborted();
    const content = kind === "file" ? await fileDigest(hostPath) : (link ?? "");
    lines.push([target, kind, kind === "symlink" ? 0 : stats.mode & 0o7777, content]);
  }
  return digestOf(JSON.stringify(lines));
}

async function fileDigest(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return hash.digest("hex");
}

async function toItem(hostPath: string, target: string, stats: Stats): Promise<CopyItem> {
  if (stats.isFile()) return { hostPath, target, kind: "file", stats, link: undefined };
  if (stats.isDirectory()) return { hostPath, target, kind: "directory", stats, link: undefined };
  if (stats.isSymbolicLink()) return { hostPath, target, kind: "symlink", stats, link: await readlink(hostPath) };
  throw new ThawError("INVALID", `${hostPath} is neither file, directory nor link`, {
    hint: "Remove it or name it in .dockerignore.",
  });
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
}
