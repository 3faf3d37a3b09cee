/** The Python root as an image, for a daemon's services and containers. */
import { cp, mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { ApiClient } from "../../api/client.ts";
import type { BuildResult } from "../../api/images.ts";
import { ThawError } from "../../common/errors.ts";
import { PYTHON_OPTIONS, type PythonRoot } from "./root.ts";

const NAME = "thaw-bench-python";

/** Builds it. Returns the image's name. */
export async function buildPythonImage(client: ApiClient, root: PythonRoot, directory: string): Promise<string> {
  const context = join(directory, "context");
  await mkdir(context, { recursive: true });
  await cp(root.directory, join(context, "root"), { recursive: true, preserveTimestamps: true });
  await Bun.write(join(context, "Dockerfile"), "FROM scratch\nCOPY root /\n");
  await client.progress<BuildResult>("buildCreate", { body: { context, tag: NAME } }, () => undefined);
  return NAME;
}

/** The command line of one of its programs. */
export function pythonCommand(root: PythonRoot, program: string, ...argv: readonly string[]): string[] {
  return [root.python, ...PYTHON_OPTIONS, program, ...argv];
}

/** A port of the loopback that nobody listens on at this moment. */
export function freePort(): number {
  const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data: () => undefined } });
  const { port } = listener;
  listener.stop(true);
  if (port > 0) return port;
  throw new ThawError("INTERNAL", "the kernel gave no port");
}
