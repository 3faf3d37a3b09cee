/**
 * A CRIU that can be started inside a container: thaw keeps its own copy of the program, of every
 * library that it loads and of the loader, in two flat directories, and starts it through descriptors
 * of them, so that neither kind (the system's package, a downloaded one) needs anything of the root
 * that it runs in. Nor may it take anything from there: in a container's mount namespace the files
 * /etc/ld.so.preload, /etc/ld.so.cache, /etc/criu/default.conf and CRIU's plug-in directory belong to
 * the container's author, and CRIU runs with every capability. The loader's copy is therefore disarmed
 * and `CRIU_ENVIRONMENT` and `criuGuards` must go with every start.
 */
import { chmod, copyFile, mkdir, readdir, readFile, realpath, stat, writeFile } from "node:fs/promises";
import { basename, dirname, join, sep } from "node:path";
import { ThawError } from "../../common/errors.ts";
import { exec } from "../../common/exec.ts";

/** A packed CRIU: what has to be known to start it. */
export interface CriuProgram {
  /** CRIU's own version, "4.2.1". */
  readonly version: string;
  /** Directory that holds the program and an empty plug-in directory, nothing else. */
  readonly binaryDir: string;
  readonly binaryName: string;
  /** Directory that holds the loader and every library, nothing else. */
  readonly libraryDir: string;
  readonly loaderName: string;
}

/**
 * The whole environment to start CRIU with. CRIU_FAULT=130 stops it from using hardware breakpoints,
 * which are slow in virtual machines; GnuTLS must not read its configuration out of the container; and
 * no program (iptables, sh, tar) is found there that CRIU would start with all of its rights.
 */
export const CRIU_ENVIRONMENT: Readonly<Record<string, string>> = {
  CRIU_FAULT: "130",
  GNUTLS_NO_IMPLICIT_INIT: "1",
  PATH: "/proc/self/no-such",
};

/** The environment for host programs that start CRIU in the end. */
export const HOST_ENVIRONMENT: Readonly<Record<string, string>> = {
  ...CRIU_ENVIRONMENT,
  PATH: "/usr/sbin:/usr/bin:/sbin:/bin",
};

/** Name of the empty plug-in directory in `binaryDir`. */
export const PLUGINS_NAME = "plugins";

/**
 * Arguments that keep CRIU from reading configuration and plug-ins out of the root it runs in.
 * @param binaryDir how CRIU itself can reach its directory, e.g. "/proc/self/fd/7".
 */
export function criuGuards(binaryDir: string): string[] {
  return ["--no-default-config", "--libdir", `${binaryDir}/${PLUGINS_NAME}`];
}

/** Paths that the loader reads on its own, each with a replacement of the same length that procfs never has. */
const LOADER_PATHS = [
  ["/etc/ld.so.preload", "/proc/self/no-such"],
  ["/etc/ld.so.cache", "/proc/self/no-so"],
] as const;

/** Where `packProgram` puts things under its directory. */
const layout = (directory: string) => ({ bin: join(directory, "bin"), lib: join(directory, "lib") });

/**
 * Copies `binary`, its loader and its libraries into `directory`, and asks the copy for its version.
 * @param root  the tree that every library has to come from; "/" for the system's own.
 * @throws ThawError DEPENDENCY_MISSING when a library is missing or the copy does not run.
 */
export async function packProgram(binary: string, root: string, directory: string): Promise<CriuProgram> {
  const { bin, lib } = layout(directory);
  await mkdir(join(bin, PLUGINS_NAME), { recursive: true, mode: 0o700 });
  await mkdir(lib, { recursive: true, mode: 0o700 });
  const loader = await findLoader(binary, root);
  const folders = root === "/" ? [] : await libraryFolders(root);
  for (const [name, path] of await libraries(binary, loader, folders, root)) await copyFile(path, join(lib, name));
  const loaderName = basename(loader);
  await writeFile(join(lib, loaderName), disarmLoader(await readFile(loader)), { mode: 0o700 });
  await copyFile(binary, join(bin, "criu"));
  await chmod(join(bin, "criu"), 0o700);
  return readProgram(directory);
}

/**
 * The program that an earlier `packProgram` left in `directory`; starts it to learn its version.
 * @throws ThawError DEPENDENCY_MISSING when there is none or it does not run.
 */
export async function readProgram(directory: string): Promise<CriuProgram> {
  const { bin, lib } = layout(directory);
  const names = await readdir(lib).catch(() => []);
  const loaderName = names.find((name) => name.startsWith("ld-linux"));
  if (loaderName === undefined) throw unusable(`${lib}: no ELF loader there`);
  const program = { binaryDir: bin, binaryName: "criu", libraryDir: lib, loaderName };
  const result = await exec([...startCommand(program), "--version"], { env: { ...CRIU_ENVIRONMENT } });
  const version = /^Version:\s*(\S+)/m.exec(result.stdout)?.[1];
  if (result.exitCode !== 0 || version === undefined) {
    throw unusable(
      `${bin}/criu --version: expected a version, got exit code ${result.exitCode}: ${result.stderr.trim()}`,
    );
  }
  return { version, ...program };
}

/** The argument vector that starts `program` out of its own directories on the host. */
export function startCommand(program: Omit<CriuProgram, "version">): string[] {
  const { libraryDir, loaderName, binaryDir, binaryName } = program;
  return [join(libraryDir, loaderName), "--library-path", libraryDir, join(binaryDir, binaryName)];
}

/**
 * The loader with the paths of its preload list and its cache replaced by ones that never exist.
 * @throws ThawError DEPENDENCY_MISSING when a path is not in it: then it is no glibc loader we know.
 */
export function disarmLoader(loader: Buffer): Buffer {
  const disarmed = Buffer.from(loader);
  for (const [path, replacement] of LOADER_PATHS) {
    let found = false;
    for (let at = disarmed.indexOf(`${path}\0`); at >= 0; at = disarmed.indexOf(`${path}\0`, at)) {
      disarmed.write(replacement, at, "latin1");
      found = true;
    }
    if (!found) throw unusable(`expected a glibc loader that reads ${path}, found none`);
  }
  return disarmed;
}

/** The loader that the ELF program asks for, as a real file inside `root`. */
async function findLoader(binary: string, root: string): Promise<string> {
  const head = Buffer.from(await Bun.file(binary).slice(0, 8192).arrayBuffer()).toString("latin1");
  const wanted = /\/[A-Za-z0-9_/.-]*\/(ld-linux[A-Za-z0-9_.-]*)\0/.exec(head);
  const [path, name] = [wanted?.[0].slice(0, -1), wanted?.[1]];
  if (path === undefined || name === undefined)
    throw unusable(`${binary}: expected a dynamically linked glibc program`);
  if (root === "/") return path;
  for (const folder of await libraryFolders(root)) {
    const candidate = join(folder, name);
    if ((await stat(candidate).catch(() => undefined))?.isFile()) return candidate;
  }
  throw unusable(`${root}: ${name} is missing`);
}

/** Every directory of the tree that holds shared libraries. */
async function libraryFolders(root: string): Promise<string[]> {
  const folders = new Set<string>();
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    if (/\.so(\.|$)/.test(entry.name) && entry.isFile()) folders.add(entry.parentPath);
  }
  return [...folders].sort((a, b) => a.length - b.length);
}

/** What the loader would map for `binary`: soname and file of each library. */
async function libraries(
  binary: string,
  loader: string,
  folders: string[],
  root: string,
): Promise<Map<string, string>> {
  const search = folders.length === 0 ? [] : ["--inhibit-cache", "--library-path", folders.join(":")];
  const result = await exec([loader, ...search, "--list", binary]);
  const found = new Map<string, string>();
  for (const line of result.stdout.split("\n")) {
    const [, name, path] = /^\s*(\S+) => (.+?)(?: \(0x[0-9a-f]+\))?$/.exec(line) ?? [];
    if (name === undefined || path === undefined || name.includes("/")) continue;
    if (path === "not found") throw unusable(`${binary}: library ${name} is missing`);
    const file = await realpath(path);
    if (root !== "/" && !file.startsWith(root + sep))
      throw unusable(`${name}: expected it in ${root}, found ${dirname(file)}`);
    found.set(name, file);
  }
  if (result.exitCode !== 0 || found.size === 0)
    throw unusable(`${binary}: cannot list its libraries: ${result.stderr.trim()}`);
  return found;
}

function unusable(message: string): ThawError {
  return new ThawError("DEPENDENCY_MISSING", message, { hint: "Run `thaw setup` to install a CRIU that works here." });
}

/** Starts a command as pid 1 of namespaces of its own, which end with it; for trying a CRIU out. */
export const FRESH_NAMESPACES: readonly string[] = [
  "unshare",
  ...["--mount", "--net", "--ipc", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc"],
];
