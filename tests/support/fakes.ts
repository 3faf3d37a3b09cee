/**
 * Managers in memory, for tests of the server alone: containers that echo their input and exit when told, so that
 * every route can be driven without a kernel's help.
 */
import { randomBytes } from "node:crypto";
import { stdcopyFrame } from "../../src/api/stdcopy.ts";
import { openDatabase } from "../../src/common/database.ts";
import { ThawError } from "../../src/common/errors.ts";
import { thawPaths } from "../../src/common/paths.ts";
import type {
  Attachment,
  Container,
  ContainerManager,
  ContainerResources,
  ContainerSpec,
  LogRecord,
} from "../../src/container/types.ts";
import { ContainerVolumes } from "../../src/container/volumes.ts";
import type { Images, Parts, ResolvedImage } from "../../src/daemon/parts.ts";
import { Listeners } from "../../src/launcher/listeners.ts";
import type { NetworkManager } from "../../src/network/index.ts";

/** No network but the default one, and nobody in it. */
class FakeNetworks implements NetworkManager {
  list() {
    return [];
  }
  get(name: string): never {
    throw new ThawError("NETWORK_NOT_FOUND", `no network ${name}`);
  }
  create = nobody;
  remove = nobody;
  endpointsOf() {
    return [];
  }
  endpointsIn() {
    return [];
  }
  async takeDown() {}
}

const notHere = () => Promise.reject(new ThawError("INTERNAL", "not in this test"));
/** They need a kernel: tests/limits.test.ts. */
const fakeResources: ContainerResources = {
  pause: notHere,
  unpause: notHere,
  update: notHere,
  stats: notHere,
  processes: notHere,
};

/** What a test does to the fake containers, beyond what the API can. */
export class FakeContainers implements ContainerManager {
  readonly networks = new FakeNetworks();
  readonly resources = fakeResources;
  readonly all = new Map<string, Container>();
  readonly records = new Map<string, LogRecord[]>();
  readonly signals: number[] = [];
  readonly sizes: string[] = [];
  readonly #changes = new Listeners<Container>();
  readonly #ends = new Listeners<Container>();

  create(spec: ContainerSpec): Promise<Container> {
    if ([...this.all.values()].some((other) => other.spec.name === spec.name)) {
      return Promise.reject(new ThawError("NAME_IN_USE", `${spec.name} is taken`));
    }
    const times = { createdAt: Date.now(), startedAt: 0, finishedAt: 0 };
    const ends = { pid: 0, exitCode: 0, oomKilled: false, error: "", restoredFrom: undefined, service: undefined };
    const container: Container = { id: randomBytes(32).toString("hex"), spec, state: "created", ...times, ...ends };
    this.all.set(container.id, container);
    return Promise.resolve(container);
  }

  async start(idOrName: string): Promise<Container> {
    const container = this.get(idOrName);
    if (container.spec.argv[0] === "missing")
      throw new ThawError("START_FAILED", "no such program", { hint: "Install it." });
    return this.#change({ ...container, state: "running", pid: 4711, startedAt: Date.now() });
  }

  /** The container ends by itself. */
  exit(idOrName: string, exitCode: number): void {
    const ended = this.#change({ ...this.get(idOrName), state: "exited", pid: 0, exitCode, finishedAt: Date.now() });
    this.#ends.emit(ended);
    if (ended.spec.autoRemove) this.all.delete(ended.id);
  }

  get(idOrName: string): Container {
    const found = [...this.all.values()].find(({ id, spec }) => spec.name === idOrName || id.startsWith(idOrName));
    if (found === undefined)
      throw new ThawError("CONTAINER_NOT_FOUND", `no container ${idOrName}`, { hint: "See thaw ps -a." });
    return found;
  }

  list(filter: { all?: boolean } = {}): Container[] {
    return [...this.all.values()].filter(({ state }) => filter.all === true || state === "running");
  }

  wait(idOrName: string, signal?: AbortSignal): Promise<Container> {
    const container = this.get(idOrName);
    if (container.state === "exited") return Promise.resolve(container);
    return new Promise((resolve, reject) => {
      const stop = this.#ends.add((ended) => {
        if (ended.id !== container.id) return;
        stop();
        resolve(ended);
      });
      signal?.addEventListener("abort", () => reject(new ThawError("CANCELLED", "gone")));
    });
  }

  async signal(idOrName: string, signo: number): Promise<void> {
    this.signals.push(signo);
    this.exit(idOrName, 128 + signo);
  }

  async stop(idOrName: string): Promise<void> {
    this.exit(idOrName, 143);
  }

  async remove(idOrName: string, options: { force?: boolean } = {}): Promise<void> {
    const { id, state } = this.get(idOrName);
    if (state === "running" && options.force !== true) throw new ThawError("WRONG_STATE", "it runs");
    if (state === "running") this.exit(id, 137);
    this.all.delete(id);
  }

  /** Says back what it is told, first on stdout, at its end its length on stderr. */
  async attach(idOrName: string): Promise<Attachment> {
    const { id, spec } = this.get(idOrName);
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    const writer = writable.getWriter();
    const send = (stream: "stdout" | "stderr", bytes: Uint8Array) =>
      writer.write(spec.tty ? bytes : stdcopyFrame(stream, bytes));
    let length = 0;
    return {
      output: readable,
      write: async (bytes) => {
        length += bytes.length;
        await send("stdout", bytes);
      },
      closeInput: () => {
        void send("stderr", Buffer.from(`${length} bytes`)).then(() => writer.close());
        this.exit(id, 0);
      },
      close: () => void writer.close().catch(() => {}),
    };
  }

  async resize(_: string, rows: number, cols: number): Promise<void> {
    this.sizes.push(`${rows}x${cols}`);
  }

  async connect() {}
  async disconnect() {}

  async *logs(idOrName: string, { tail }: { tail?: number }): AsyncGenerator<LogRecord> {
    const records = this.records.get(this.get(idOrName).id) ?? [];
    yield* tail === undefined ? records : records.slice(-tail);
  }

  onChange(listener: (container: Container) => void): () => void {
    return this.#changes.add(listener);
  }

  async reconcile(): Promise<void> {}

  #change(container: Container): Container {
    this.all.set(container.id, container);
    this.#changes.emit(container);
    return container;
  }
}

const IMAGE: ResolvedImage = {
  id: `sha256:${"1".repeat(64)}`,
  lowers: ["/layer"],
  entrypoint: [],
  command: ["serve"],
  env: ["A=image"],
  cwd: "/app",
  user: "",
  stopSignal: "",
  labels: {},
};

/** One image, `hello`. A build prints two lines and fails when it is told to. */
class FakeImages implements Images {
  list() {
    return [];
  }
  inspect(name: string): never {
    throw new ThawError("IMAGE_NOT_FOUND", `no image ${name}`);
  }
  idOf(name: string): string {
    return name === "hello" ? IMAGE.id : "";
  }
  async remove(name: string) {
    return [{ Untagged: `${name}:latest` }];
  }
  async build({ tag }: { tag?: string | undefined }, progress: (line: string) => void) {
    progress("one");
    progress("two");
    if (tag === "bad") throw new ThawError("BUILD_FAILED", "step 2 exited with 1", { hint: "Read it." });
    return { id: IMAGE.id, tag: tag ?? null };
  }
  async exportRootfs() {}
  async using<T>(name: string, use: (image: ResolvedImage) => Promise<T>): Promise<T> {
    if (name !== "hello") throw new ThawError("IMAGE_NOT_FOUND", `no image ${name}`, { hint: "Build it." });
    return use(IMAGE);
  }
  async rootfsLowers(directory: string) {
    return [directory, "/init"];
  }
}

const nobody = () => Promise.reject(new ThawError("INTERNAL", "not in this test"));
const bug = () => {
  throw new Error("a bug");
};

const STATUS = {
  version: "0",
  pid: 1,
  startedAt: "",
  containersRunning: 0,
  services: 0,
  dataDirectory: "/data",
  runDirectory: "/run",
};

/** Parts with those fakes; what a test of the server does not need refuses to be used. `services.get` has a bug. */
export function fakeParts(): Parts & { readonly containers: FakeContainers } {
  const quiet = { onChange: () => () => {}, reconcile: async () => {} };
  return {
    containers: new FakeContainers(),
    volumes: new ContainerVolumes({ database: openDatabase(":memory:"), paths: thawPaths({}), users: () => [] }),
    images: new FakeImages(),
    archives: { export: nobody, import: nobody },
    dumpWhen: nobody,
    checkpoints: { create: nobody, list: async () => [], get: nobody, remove: nobody, restore: nobody },
    services: { ...quiet, list: () => [], up: nobody, down: async () => 0, get: bug, sleep: nobody },
    control: { status: () => STATUS, stop: nobody },
    reseeding: { of: (spec) => spec },
    removals: new Listeners(),
  };
}
