/** The programs that are put to sleep and woken, and what they are asked. */
import { resolve } from "node:path";
import type { ApiClient } from "../../api/client.ts";
import { loadCompose } from "../../api/compose/load.ts";
import { resolveService } from "../../api/compose/resolve.ts";
import type { BuildResult } from "../../api/images.ts";
import type { ServiceUpInput } from "../../api/thaw.ts";
import { ThawError } from "../../common/errors.ts";
import { askFor } from "../ask.ts";
import { buildPythonImage, freePort, pythonCommand } from "../python/image.ts";
import { makePythonRoot, PROGRAMS as PYTHON_PROGRAMS } from "../python/root.ts";
import type { Ask } from "../sleeper.ts";

export interface WakeProgram {
  readonly name: string;
  /** Directory of its compose.yaml, relative to the project; undefined: it is part of the benchmark. */
  readonly directory?: string;
  /** What it is asked by HTTP. */
  readonly path: string;
  /** What is wrong with the answer's text; undefined when it is right. */
  readonly wrong: (text: string) => string | undefined;
}

const KEY = 4711;

const containing = (wanted: string) => (text: string) =>
  text.includes(wanted) ? undefined : `expected ${wanted} in it, got ${text.slice(-200)}`;

/** All of them. */
export const WAKE_PROGRAMS: readonly WakeProgram[] = [
  // The first answer after the checkpoint, every time.
  { name: "python", path: "/", wrong: containing("\r\n\r\n") },
  { name: "flask", directory: "examples/flask", path: `/?key=${KEY}`, wrong: containing(`{"value":${KEY}}`) },
];

/** Asks it once. @throws ThawError NOT_READY, also when the answer is wrong. */
export function askOf({ name, path, wrong }: WakeProgram): Ask {
  return async (host, port) => {
    const answer = await askFor(host, port, path);
    const what = wrong(answer.text);
    if (what === undefined) return answer;
    throw new ThawError("NOT_READY", `${name} answers wrong: ${what}`);
  };
}

/** Builds its image, and says what its service is. @throws ThawError as the build does, PATH_NOT_FOUND. */
export async function buildProgram(
  client: ApiClient,
  program: WakeProgram,
  directory: string,
): Promise<ServiceUpInput> {
  const input =
    program.directory === undefined ? await buildOwn(client, directory) : await buildExample(client, program);
  const ports = input.ports.map((port) => ({ ...port, hostAddress: "127.0.0.1", hostPort: freePort() }));
  return { ...input, project: "bench", name: program.name, ports };
}

async function buildOwn(client: ApiClient, directory: string): Promise<ServiceUpInput> {
  const root = await makePythonRoot(`${directory}/root`);
  const image = await buildPythonImage(client, root, directory);
  const ports = [{ hostAddress: "127.0.0.1", hostPort: 1, containerPort: 8000 }];
  const command = pythonCommand(root, PYTHON_PROGRAMS.serve);
  return { project: "bench", name: "python", image, command, ports, warmup: ["/"] };
}

async function buildExample(client: ApiClient, { name, directory = "" }: WakeProgram): Promise<ServiceUpInput> {
  const file = resolve(directory, "compose.yaml");
  const { services } = await loadCompose(file);
  const given = services.find((service) => service.name === name);
  if (given === undefined) throw new ThawError("INVALID", `${file} has no service ${name}`);
  const { build, service } = resolveService(given, "bench", file);
  if (build !== undefined) await client.progress<BuildResult>("buildCreate", { body: build }, () => undefined);
  return service;
}
