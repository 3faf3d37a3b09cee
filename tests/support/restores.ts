/**
 * What the tests of restores have in common: programs of tests/fixtures compiled into a machine's root, an engine that
 * is asked for by name, and how often everything is tried.
 */
import { chmod, copyFile, mkdir, readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { ENGINES } from "../../src/checkpoint/index.ts";
import { execOk } from "../../src/common/exec.ts";
import type { ContainerSpec } from "../../src/container/types.ts";
import { untilQuiet } from "../../src/service/quiet.ts";
import type { Machine } from "./machine.ts";

const FIXTURES = new URL("../fixtures/", import.meta.url).pathname;

/** Restores of each engine: THAW_RESTORE_RUNS, as many as a night has time for, or a few. */
export const RUNS = Number(process.env.THAW_RESTORE_RUNS ?? 6);

/** The engines to be tried, the quickest first. */
export const TRIED_ENGINES: readonly string[] = ENGINES;

const program = (name: string) => `/usr/bin/${name}`;

/**
 * Compiles the sources of a directory of tests/fixtures, and the frame in tests/fixtures/judge, into a root as
 * /usr/bin/NAME, with the libraries that it loads.
 */
export async function compileInto(root: string, name: string, flags: readonly string[] = []): Promise<void> {
  const sources = [...(await sourcesOf("judge")), ...(await sourcesOf(name))];
  const target = join(root, program(name));
  await mkdir(dirname(target), { recursive: true });
  await execOk([
    "gcc",
    "-std=gnu11",
    "-O2",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-pthread",
    `-I${join(FIXTURES, "judge")}`,
    ...flags,
    "-o",
    target,
    ...sources,
  ]);
  await bringLibraries(root, target);
  await chmod(join(root, "tmp"), 0o1777);
}

/** Copies what a program or library of the host's kind loads into a root. */
export async function bringLibraries(root: string, file: string): Promise<void> {
  const libraries = [...(await execOk(["ldd", file])).matchAll(/(\/\S+) \(0x/g)].map((match) => match[1] ?? "");
  for (const library of libraries) {
    await mkdir(dirname(join(root, library)), { recursive: true });
    await copyFile(library, join(root, library));
  }
}

async function sourcesOf(name: string): Promise<string[]> {
  const directory = join(FIXTURES, name);
  return (await readdir(directory)).filter((file) => file.endsWith(".c")).map((file) => join(directory, file));
}

/** Starts a container of such a program, and lets it check itself once before anything is done to it. */
export async function startChecked(
  machine: Machine,
  name: string,
  argv: readonly [string, ...string[]],
  changes: Partial<ContainerSpec> = {},
): Promise<string> {
  const [called, ...rest] = argv;
  const { containers } = machine.daemon;
  const { id } = await containers.create(machine.container(name, { argv: [program(called), ...rest], ...changes }));
  await containers.start(id);
  await expectRight(machine, id);
  return id;
}

/** @throws Error with all that the program found wrong with itself. */
export async function expectRight(machine: Machine, container: string): Promise<void> {
  const answer = await machine.get(container, "/check");
  if (!/^ok \d+\n$/.test(answer)) throw new Error(`${container}: ${answer}`);
  // It may not have noticed yet that the connection is closed, and a dump would find it half open.
  await untilQuiet(machine.daemon.containers.get(container).pid);
}

/** Restores a checkpoint, lets the program check itself twice, and removes the container. */
export async function restoreChecked(machine: Machine, checkpoint: string, containerName: string): Promise<void> {
  const { containers, checkpoints } = machine.daemon;
  await checkpoints.restore(checkpoint, { containerName });
  try {
    await expectRight(machine, containerName);
    await expectRight(machine, containerName);
  } finally {
    await containers.remove(containerName, { force: true });
  }
}
