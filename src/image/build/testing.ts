/**
 * Help for tests: RUN steps really run, in namespaces made by unshare(1), before there is a container runner. Not
 * used by the daemon.
 */
import { mkdir, mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openDatabase } from "../../common/database.ts";
import { type Paths, thawPaths } from "../../common/paths.ts";
import { ContentStore } from "../../content/index.ts";
import { LayerStore, removeTree } from "../layer/index.ts";
import { ImageStore, type ImageUsers } from "../store.ts";
import type { RunStep, StepRunner } from "./runner.ts";

const SCRIPT = `set -e
mkdir "$1/merged"
mount -t overlay overlay -o "$2,redirect_dir=off,metacopy=off" "$1/merged"
if [ -d "$1/merged/proc" ]; then mount -t proc proc "$1/merged/proc"; fi
if [ -e "$1/merged/etc/resolv.conf" ]; then mount --bind /etc/resolv.conf "$1/merged/etc/resolv.conf"; fi
root="$1/merged"; user="$3"; cwd="$4"; shift 4
exec chroot --userspec="$user" "$root" /bin/sh -c 'cd "$1" && shift && exec "$@"' sh "$cwd" "$@"`;

/** Runs steps with unshare, mount and chroot of the host. */
export class UnshareRunner implements StepRunner {
  readonly #scratch: string;
  /** How many steps ran. */
  runs = 0;

  constructor(scratch: string) {
    this.#scratch = scratch;
  }

  async run(step: RunStep): Promise<{ exitCode: number }> {
    this.runs += 1;
    const scratch = await mkdtemp(join(this.#scratch, "step-"));
    const options = `lowerdir=${step.lowers.join(":")},upperdir=${step.upper},workdir=${step.work}`;
    const argv = ["unshare", "-m", "-p", "-f", "--kill-child", "--propagation", "private", "sh", "-c", SCRIPT, "sh"];
    const child = Bun.spawn([...argv, scratch, options, step.user, step.cwd, ...step.argv], {
      env: Object.fromEntries(step.env.map((entry) => [entry.split("=", 1)[0], entry.slice(entry.indexOf("=") + 1)])),
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
      // unshare(1) ignores SIGTERM while its child runs.
      ...(step.signal ? { signal: step.signal, killSignal: "SIGKILL" as const } : {}),
    });
    await Promise.all([relay(child.stdout, step), relay(child.stderr, step)]);
    return { exitCode: await child.exited };
  }
}

async function relay(stream: ReadableStream<Uint8Array>, step: RunStep): Promise<void> {
  for await (const chunk of stream) step.onOutput(chunk);
}

/** Everything that image tests need, in a directory of its own that `dispose` removes. */
export interface TestBed extends AsyncDisposable {
  readonly root: string;
  readonly paths: Paths;
  readonly content: ContentStore;
  readonly layers: LayerStore;
  readonly store: ImageStore;
  readonly runner: UnshareRunner;
}

/** A fresh data directory with an image store in it. */
export async function testBed(users: ImageUsers = () => []): Promise<TestBed> {
  const root = await mkdtemp(join(tmpdir(), "thaw-test-"));
  const paths = thawPaths({
    THAW_DATA: join(root, "data"),
    THAW_RUN: join(root, "run"),
    THAW_CACHE: join(root, "cache"),
  });
  const content = new ContentStore(paths);
  const layers = new LayerStore(content, paths);
  await mkdir(paths.data, { recursive: true });
  const db = openDatabase(paths.database);
  return {
    root,
    paths,
    content,
    layers,
    store: new ImageStore(db, content, layers, users),
    runner: new UnshareRunner(root),
    async [Symbol.asyncDispose]() {
      db.close();
      await removeTree(root);
    },
  };
}
