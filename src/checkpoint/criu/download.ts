/**
 * Fetches CRIU and every package that it depends on from another Debian suite, with the machine's own
 * apt (so its proxies and credentials count) but with lists, cache and package status of its own: apt
 * believes that nothing is installed, and the system's packages are neither read nor touched. apt
 * checks signatures and digests; unpacking runs no package's scripts.
 */
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ThawError } from "../../common/errors.ts";
import { exec, execOk } from "../../common/exec.ts";
import { type DebianMirror, renderSource } from "./sources.ts";

/** A private apt that knows one suite of one mirror. */
export interface SuiteIndex {
  readonly suite: string;
  /** Debian's version of CRIU there, "4.2.1-1". */
  readonly criuVersion: string;
  /** Downloads and unpacks CRIU with its dependencies; returns the tree's root. */
  unpack(): Promise<string>;
}

/**
 * Reads the package index of `suite`.
 * @param directory  an existing directory for everything that this needs; the caller removes it.
 * @throws ThawError DEPENDENCY_MISSING when the mirror cannot be reached or has no CRIU in that suite.
 */
export async function openSuite(mirror: DebianMirror, suite: string, directory: string): Promise<SuiteIndex> {
  const apt = await configureApt(mirror, suite, directory);
  await run([...apt, "update"], `cannot read the package index of Debian ${suite} at ${mirror.uri}`);
  const origins = await execOk([...apt, "indextargets", "--format", "$(ORIGIN)"]);
  if (origins.trim() !== "Debian")
    throw missing(`${mirror.uri} ${suite}: expected Debian's archive, got '${origins.trim()}'`);
  const show = await exec(["apt-cache", ...apt.slice(1), "show", "--no-all-versions", "criu"]);
  const criuVersion = /^Version: (\S+)$/m.exec(show.stdout)?.[1];
  if (criuVersion === undefined) throw missing(`Debian ${suite} at ${mirror.uri} has no package criu`);
  return { suite, criuVersion, unpack: () => unpack(apt, suite, directory) };
}

async function unpack(apt: string[], suite: string, directory: string): Promise<string> {
  const install = [...apt, "--yes", "--download-only", "--no-install-recommends", "install", "criu"];
  await run(install, `cannot download CRIU from Debian ${suite}`);
  const root = join(directory, "root");
  await mkdir(root);
  const archives = join(directory, "cache/archives");
  for (const name of await readdir(archives)) {
    if (!name.endsWith(".deb")) continue;
    await run(["dpkg-deb", "-x", join(archives, name), root], `cannot unpack ${name}`);
    await rm(join(archives, name));
  }
  return root;
}

/** Writes a configuration that shares nothing with the system's apt but its transport settings. */
async function configureApt(mirror: DebianMirror, suite: string, directory: string): Promise<string[]> {
  for (const name of ["lists/partial", "cache/archives/partial"])
    await mkdir(join(directory, name), { recursive: true });
  await writeFile(join(directory, "status"), "");
  await writeFile(join(directory, "debian.sources"), renderSource(mirror, suite));
  const configuration = join(directory, "apt.conf");
  const settings = {
    "Dir::Etc::sourcelist": join(directory, "debian.sources"),
    "Dir::Etc::sourceparts": "/dev/null",
    "Dir::Etc::preferences": "/dev/null",
    "Dir::Etc::preferencesparts": "/dev/null",
    "Dir::State": directory,
    "Dir::State::lists": join(directory, "lists/"),
    "Dir::State::status": join(directory, "status"),
    "Dir::Cache": join(directory, "cache/"),
    "Dir::Cache::archives": join(directory, "cache/archives/"),
    "APT::Sandbox::User": "root",
    "APT::Update::Error-Mode": "any",
    "APT::Keep-Downloaded-Packages": "true",
    "APT::Default-Release": "",
    "Acquire::Languages": "none",
    "Acquire::Retries": "3",
  };
  // The system's hooks would clean and refresh the system's own caches.
  const hooks = ["APT::Update::Pre-Invoke", "APT::Update::Post-Invoke", "APT::Update::Post-Invoke-Success"];
  const lines = [...hooks, "DPkg::Post-Invoke", "DPkg::Pre-Install-Pkgs"].map((hook) => `#clear ${hook};`);
  for (const [name, value] of Object.entries(settings)) lines.push(`${name} "${value}";`);
  await writeFile(configuration, `${lines.join("\n")}\n`);
  return ["apt-get", "-q", "-c", configuration];
}

async function run(argv: string[], failure: string): Promise<void> {
  const result = await exec(argv, { env: aptEnvironment() });
  if (result.exitCode === 0) return;
  const errors = result.stderr.split("\n").filter((line) => /^[EW]:/.test(line));
  throw missing(`${failure}: ${errors.slice(0, 3).join(" ") || `exit code ${result.exitCode}`}`);
}

/** The caller's environment (it may name proxies) in the language that errors are looked for in. */
function aptEnvironment(): Record<string, string> {
  const environment: Record<string, string> = { LC_ALL: "C", DEBIAN_FRONTEND: "noninteractive" };
  for (const [name, value] of Object.entries(process.env)) environment[name] ??= value ?? "";
  return environment;
}

function missing(message: string): ThawError {
  return new ThawError("DEPENDENCY_MISSING", message, {
    hint: "Check the network and the machine's apt sources, or install a working criu yourself, then run `thaw setup` again.",
  });
}
