/** The programs that are put to sleep and woken, and what they are asked. */
import { resolve } from "node:path";
import type { ApiClient } from "../../api/client.ts";
import { loadCompose } from "../../api/compose/load.ts";
import { resolveService } from "../../api/compose/resolve.ts";
import type { BuildResult } from "../../api/images.ts";
import type { ServiceUpInput } from "../../api/thaw.ts";
import { ThawError } from "../../common/errors.ts";
import { askProgram, get, PROGRAMS, type Program } from "../programs/list.ts";
import { buildPythonImage, freePort, pythonCommand } from "../python/image.ts";
import { makePythonRoot, PROGRAMS as PYTHON_PROGRAMS } from "../python/root.ts";
import type { Ask } from "../sleeper.ts";

export interface WakeProgram extends Pick<Program, "name" | "light"> {
  /** Directory of its compose.yaml, relative to the project; undefined: it is part of the benchmark. */
  readonly directory?: string;
}

/** Answers with the number of requests: one was made before the checkpoint. */
const python: WakeProgram = {
  name: "python",
  light: {
    send: get("/"),
    wrong: (body) => (/^\d+\n$/.test(body) ? undefined : `expected a number, got ${body.slice(0, 200)}`),
  },
};

/** All of them. */
export const WAKE_PROGRAMS: readonly WakeProgram[] = [python, ...PROGRAMS];

/** Asks it once. @throws ThawError NOT_READY. */
export function askOf({ light }: WakeProgram): Ask {
  return (host, port) => askProgram(host, port, light);
}

/** Asks it once, and compares. @throws ThawError NOT_READY, also when the answer is wrong. */
export function askAndCompare({ name, light }: WakeProgram): Ask {
  return async (host, port) => {
    const answer = await askProgram(host, port, light);
    const what = light.wrong(answer.text);
    if (what === undefined) return answer;
    throw new ThawError("NOT_READY", `${name} answers wrong: ${what}`);
  };
}

/** The path that it is asked for; undefined when it is not asked by HTTP. */
export function pathOf({ light }: WakeProgram): string | undefined {
  return /^GET (\S+) HTTP/.exec(light.send)?.[1];
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
