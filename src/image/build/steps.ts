/**
 * What each instruction does to a build. Instructions that only describe the image change its config; RUN, COPY,
 * ADD and WORKDIR change files and make layers.
 */
import { chmod, copyFile, rm } from "node:fs/promises";
import { join, posix } from "node:path";
import { ThawError } from "../../common/errors.ts";
import { removeTree } from "../layer/index.ts";
import { lookupOwner, lookupUser } from "../users.ts";
import { digestItems } from "./context.ts";
import type { Instruction, Keyword } from "./dockerfile.ts";
import { LineSplitter } from "./lines.ts";
import { expandWord, splitWords } from "./shell-words.ts";
import { type BuildState, splitEnv } from "./state.ts";
import { UpperWriter } from "./upper.ts";

type Step = (state: BuildState, instruction: Instruction) => Promise<void> | void;

/** Build arguments that RUN sees without an ARG, as in Docker; they are not kept in the image or the cache key. */
const PREDEFINED = new Set(
  ["HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"]
    .flatMap((name) => [name, name.toLowerCase()])
    .concat(["PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_TRUSTED_HOST", "PIP_DEFAULT_TIMEOUT", "PIP_RETRIES"]),
);
const DEFAULT_SHELL = ["/bin/sh", "-c"];
const CA_IN_ROOT = ".thaw-build-ca.crt";
const CA_VARIABLES = ["PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"];

/** Every instruction but FROM. */
export const STEPS: Readonly<Record<Exclude<Keyword, "FROM">, Step>> = {
  RUN: runStep,
  COPY: copyStep,
  ADD: addStep,
  WORKDIR: workdirStep,
  ENV: described((state, { text }) => {
    for (const [name, value] of pairs(text, state.variables)) state.setEnv(name, value);
  }),
  LABEL: described((state, { text }) => {
    state.config.Labels = { ...state.config.Labels, ...Object.fromEntries(pairs(text, state.variables)) };
  }),
  ARG: described((state, { text }) => {
    for (const [name, value] of argValues(text, state.variables, state.tools.buildArgs)) state.args.set(name, value);
  }),
  EXPOSE: described((state, { text }) => {
    const ports = splitWords(text, state.variables).map(exposedPort);
    state.config.ExposedPorts = {
      ...state.config.ExposedPorts,
      ...Object.fromEntries(ports.map((port) => [port, {}])),
    };
  }),
  USER: described((state, { text }) => {
    state.config.User = expandWord(text, state.variables);
  }),
  CMD: described((state, instruction) => {
    state.config.Cmd = command(state, instruction);
  }),
  ENTRYPOINT: described((state, instruction) => {
    state.config.Entrypoint = command(state, instruction);
    // A new entrypoint does not get the base's arguments.
    state.config.Cmd = null;
  }),
  VOLUME: described((state, { text, json }) => {
    const paths = json ?? splitWords(text, state.variables);
    state.config.Volumes = { ...state.config.Volumes, ...Object.fromEntries(paths.map((path) => [path, {}])) };
  }),
  STOPSIGNAL: described((state, { text }) => {
    const signal = expandWord(text, state.variables);
    if (!/^(?:SIG[A-Z0-9+-]+|[1-9]\d?)$/.test(signal)) throw new ThawError("INVALID", `bad signal ${signal}`);
    state.config.StopSignal = signal;
  }),
  SHELL: described((state, { json }) => {
    if (!json?.length) throw new ThawError("INVALID", "SHELL needs a JSON array", { hint: 'Write ["/bin/sh", "-c"].' });
    state.config.Shell = [...json];
  }),
};

/**
 * `ARG NAME[=default]...`: the values that are given or defaulted.
 * A declared name that has neither is left out, so that it expands to nothing.
 */
export function argValues(
  text: string,
  variables: ReadonlyMap<string, string>,
  given: ReadonlyMap<string, string>,
): [string, string][] {
  return splitWords(text, variables).flatMap((word): [string, string][] => {
    const [name, fallback] = splitEnv(word);
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) throw new ThawError("INVALID", `bad ARG name ${JSON.stringify(name)}`);
    const value = given.get(name) ?? (word.includes("=") ? fallback : undefined);
    return value === undefined ? [] : [[name, value]];
  });
}

function described(change: (state: BuildState, instruction: Instruction) => void): Step {
  return (state, instruction) => {
    change(state, instruction);
    state.record(instruction);
  };
}

async function runStep(state: BuildState, instruction: Instruction): Promise<void> {
  const argv = command(state, instruction);
  const { lowers, tools } = state;
  const cwd = state.config.WorkingDir || "/";
  const user = await lookupUser(lowers, state.config.User ?? "");
  const env = new Map([["HOME", user.home], ...state.variables]);
  await state.layer(instruction, { argv, cwd, user, env: [...env] }, async (upper) => {
    const predefined = [...tools.buildArgs].filter(([name]) => PREDEFINED.has(name));
    const trust = await lendCa(upper, tools.caFile);
    const work = await tools.store.layerStore.temporary();
    const lines = new LineSplitter(tools.onProgress);
    try {
      const { exitCode } = await tools.runner.run({
        lowers,
        upper,
        work,
        argv,
        env: [...new Map([...predefined, ...trust, ...env])].map(([name, value]) => `${name}=${value}`),
        cwd,
        user: `${user.uid}:${user.gid}`,
        ...(tools.signal ? { signal: tools.signal } : {}),
        onOutput: (chunk) => lines.write(chunk),
      });
      lines.end();
      tools.signal?.throwIfAborted();
      if (exitCode !== 0) throw failedStep(instruction, exitCode);
    } finally {
      await rm(join(upper, CA_IN_ROOT), { force: true });
      await removeTree(work);
    }
  });
}

/** Puts the host's CA bundle into the root for the time of a step; returns the variables that point to it. */
async function lendCa(upper: string, caFile: string | undefined): Promise<[string, string][]> {
  if (caFile === undefined) return [];
  const inside = join(upper, CA_IN_ROOT);
  await copyFile(caFile, inside);
  await chmod(inside, 0o644);
  return CA_VARIABLES.map((name): [string, string] => [name, `/${CA_IN_ROOT}`]);
}

function failedStep(instruction: Instruction, exitCode: number): ThawError {
  return new ThawError("BUILD_FAILED", `${instruction.summary.slice(0, 160)} exited with ${exitCode}`, {
    hint: "Its output above says why.",
  });
}

async function copyStep(state: BuildState, instruction: Instruction): Promise<void> {
  const words = (instruction.json ?? splitWords(instruction.text, state.variables)).map((word) =>
    instruction.json ? expandWord(word, state.variables) : word,
  );
  const target = words.at(-1);
  if (target === undefined || words.length < 2) {
    throw new ThawError("INVALID", `${instruction.keyword} needs a source and a destination`, {
      hint: `Write ${instruction.keyword} SOURCE... DESTINATION.`,
    });
  }
  const { lowers, tools } = state;
  const sources = await tools.context.sources(words.slice(0, -1));
  const options = {
    destination: absoluteTarget(target, state.config.WorkingDir || "/"),
    owner: await lookupOwner(lowers, expandWord(instruction.flags.get("chown") ?? "0:0", state.variables)),
    mode: parseMode(expandWord(instruction.flags.get("chmod") ?? "", state.variables)),
  };
  const content = await digestItems(sources.items, tools.signal);
  await state.layer(instruction, { content, ...options, needsDirectory: sources.needsDirectory }, (upper) =>
    new UpperWriter(upper, lowers).copy(sources, options, tools.signal),
  );
}

async function addStep(state: BuildState, instruction: Instruction): Promise<void> {
  const sources = instruction.json ?? splitWords(instruction.text, state.variables);
  const remote = sources.find((word) => /^(?:[a-z]+:\/\/|git@)/.test(word));
  if (remote !== undefined) {
    throw new ThawError("UNSUPPORTED", `ADD ${remote}: remote sources are not supported`, {
      hint: "Download it into the context and COPY it, or fetch it in a RUN step.",
    });
  }
  const archive = sources
    .slice(0, -1)
    .find((word) => /\.(?:tar|tgz|tbz2?|txz|tzst|tar\.(?:gz|bz2|xz|zst))$/i.test(word));
  if (archive !== undefined) {
    throw new ThawError("UNSUPPORTED", `ADD ${archive}: unpacking archives is not supported`, {
      hint: "Unpack it in the context and COPY the directory, or COPY it and unpack it in a RUN step.",
    });
  }
  await copyStep(state, instruction);
}

async function workdirStep(state: BuildState, instruction: Instruction): Promise<void> {
  const given = expandWord(instruction.text, state.variables);
  const path = absoluteTarget(given, state.config.WorkingDir || "/").replace(/(?<=.)\/$/, "");
  const { lowers } = state;
  await state.layer(instruction, { path }, async (upper) => {
    const { missing, found } = await new UpperWriter(upper, lowers).look(path);
    if (missing.length > 0 || !found.stats.isDirectory())
      await new UpperWriter(upper, lowers).directory(path, { uid: 0, gid: 0 });
  });
  state.config.WorkingDir = path;
}

/** `target` seen from the working directory, without `.` and `..`; its trailing slash is kept. */
function absoluteTarget(target: string, workdir: string): string {
  if (target === "" || target.includes("\0")) throw new ThawError("INVALID", "an empty path");
  const directory = /(?:^|\/)\.{0,2}$/.test(target);
  const path = posix.resolve("/", workdir, target);
  return directory && path !== "/" ? `${path}/` : path;
}

function parseMode(text: string): number | undefined {
  if (text === "") return undefined;
  if (/^[0-7]{3,4}$/.test(text)) return Number.parseInt(text, 8);
  throw new ThawError("INVALID", `bad --chmod=${text}`, { hint: "Give an octal mode such as 755." });
}

function command(state: BuildState, { json, text }: Instruction): string[] {
  return json !== undefined ? [...json] : [...(state.config.Shell ?? DEFAULT_SHELL), text];
}

function exposedPort(word: string): string {
  const [, from, to, protocol] = /^(\d{1,5})(?:-(\d{1,5}))?(?:\/(tcp|udp|sctp))?$/i.exec(word) ?? [];
  const valid = from !== undefined && [from, to ?? from].every((port) => Number(port) > 0 && Number(port) < 65536);
  if (!valid) throw new ThawError("INVALID", `bad port ${word}`, { hint: "Give PORT or PORT/tcp, 1 to 65535." });
  return `${to === undefined ? from : `${from}-${to}`}/${(protocol ?? "tcp").toLowerCase()}`;
}

/** `NAME=value...`, or the old form `NAME value`. */
function pairs(text: string, variables: ReadonlyMap<string, string>): [string, string][] {
  const words = splitWords(text, variables);
  const [first = ""] = text.split(/\s/);
  if (!first.includes("=") && words.length > 1) {
    return [[expandWord(first, variables), expandWord(text.slice(first.length).trim(), variables)]];
  }
  return words.map((word) => {
    const [name, value] = splitEnv(word);
    if (name === "" || !word.includes("=")) throw new ThawError("INVALID", `${word}: expected NAME=value`);
    return [name, value];
  });
}
