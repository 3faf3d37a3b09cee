/**
 * Running the host's programs (tar, mmdebstrap, apt-get). Never used on a hot path: starting a
 * process out of the multi-threaded daemon costs milliseconds.
 */
import { ThawError } from "./errors.ts";

export interface ExecOptions {
  readonly cwd?: string;
  readonly env?: Record<string, string>;
  readonly stdin?: Uint8Array | "ignore";
  /** Ends the program when aborted. */
  readonly signal?: AbortSignal;
  /** Called with every line of stderr as it comes, for progress. */
  readonly onStderrLine?: (line: string) => void;
}

export interface ExecResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs `argv` to its end. The argument vector goes to the kernel as it is; no shell is involved.
 * @throws ThawError DEPENDENCY_MISSING when the program does not exist.
 */
export async function exec(argv: readonly string[], options: ExecOptions = {}): Promise<ExecResult> {
  const child = spawn(argv, options);
  const [stdout, stderr, exitCode] = await Promise.all([
    new Response(child.stdout).text(),
    readLines(child.stderr, options.onStderrLine),
    child.exited,
  ]);
  return { exitCode, stdout, stderr };
}

function spawn(argv: readonly string[], options: ExecOptions) {
  try {
    return Bun.spawn([...argv], {
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      ...(options.env === undefined ? {} : { env: options.env }),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
      stdin: options.stdin ?? "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
  } catch (cause) {
    throw new ThawError("DEPENDENCY_MISSING", `cannot run ${argv[0] ?? "an empty command"}`, {
      hint: `Install ${argv[0] ?? "it"} (as root: thaw setup), then try again.`,
      cause,
    });
  }
}

/**
 * Runs `argv` and returns its stdout.
 * @throws ThawError INTERNAL with the last lines of stderr when it exits non-zero.
 */
export async function execOk(argv: readonly string[], options: ExecOptions = {}): Promise<string> {
  const result = await exec(argv, options);
  if (result.exitCode === 0) return result.stdout;
  const tail = result.stderr.trim().split("\n").slice(-5).join("\n");
  throw new ThawError("INTERNAL", `${argv[0]} exited with ${result.exitCode}: ${tail}`);
}

async function readLines(stream: ReadableStream<Uint8Array>, onLine?: (line: string) => void): Promise<string> {
  const decoder = new TextDecoder();
  let all = "";
  let pending = "";
  for await (const chunk of stream) {
    const text = decoder.decode(chunk, { stream: true });
    all += text;
    if (!onLine) continue;
    const lines = (pending + text).split("\n");
    pending = lines.pop() ?? "";
    for (const line of lines) onLine(line);
  }
  if (onLine && pending) onLine(pending);
  return all;
}
