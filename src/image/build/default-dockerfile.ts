/**
 * The Dockerfile of an application that has none: a Python program with an optional requirements.txt. Requirements
 * that the base image already meets need no package index; what it lacks comes from the index.
 */
import { basename, resolve } from "node:path";
import { ThawError } from "../../common/errors.ts";
import type { BuildContext } from "./context.ts";

const PIP = "python3 -m pip install --break-system-packages --root-user-action=ignore --disable-pip-version-check";

const INSTALL = [
  `if ${PIP} --quiet --no-index -r requirements.txt 2>/dev/null; then`,
  "echo 'requirements.txt: everything is in the base image';",
  `elif ${PIP} --retries 2 --timeout 15 -r requirements.txt; then`,
  "echo 'requirements.txt: installed from the package index';",
  "else",
  "echo 'requirements.txt: the base image does not have all of it and the package index did not give it.' >&2;",
  "echo 'Give another index with --build-arg PIP_INDEX_URL=URL, or require what the base has (Debian versions).' >&2;",
  "exit 1; fi",
].join(" ");

/**
 * The default Dockerfile's text for a context.
 * @throws ThawError INVALID when the context has no Python program that is clearly the one to run.
 */
export async function defaultDockerfile(context: BuildContext): Promise<string> {
  const names = await context.names();
  const program = programOf(names, basename(resolve(context.directory)));
  const requirements = await context.readText("requirements.txt");
  const lines = ["FROM thaw/python", "WORKDIR /app"];
  // Requirements before the code, so that a change of code does not install again; unless they point into the code.
  const alone = requirements !== undefined && !/^\s*(?:-|\.|\/|\S+\s*@\s*file:)/m.test(requirements);
  if (alone) lines.push("COPY requirements.txt /app/", `RUN ${INSTALL}`, "COPY . /app");
  else lines.push("COPY . /app", ...(requirements === undefined ? [] : [`RUN ${INSTALL}`]));
  lines.push(`CMD ${JSON.stringify(["python3", program])}`);
  return `${lines.join("\n")}\n`;
}

function programOf(names: readonly string[], directory: string): string {
  const programs = names.filter((name) => name.endsWith(".py"));
  const usual = ["app.py", "main.py", `${directory}.py`].find((name) => programs.includes(name));
  const only = programs.length === 1 ? programs[0] : undefined;
  const program = usual ?? only;
  if (program !== undefined) return program;
  throw new ThawError("INVALID", `no Dockerfile, and no program to make one for among ${programs.length} .py files`, {
    hint: `Write a Dockerfile, or name the program app.py, main.py or ${directory}.py.`,
  });
}
