/** What is refused of dumps of real processes, each with its reason, and what is not even dumped. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { understand } from "../src/checkpoint/compile/understand.ts";
import { Dumps } from "./support/dumps.ts";
import { findCriu } from "./support/machine.ts";

const criu = await findCriu();
if (typeof criu === "string") console.log(`skipped: dumps need a working CRIU: ${criu}`);
const hasTiles = /\bamx_tile\b/.test(await Bun.file("/proc/cpuinfo").text());

/** What is refused of each state, the sentences' beginnings without numbers. */
const REFUSED: Readonly<Record<string, readonly RegExp[]>> = {
  established: [/^fd 4: established TCP$/, /^fd 5: established TCP$/],
  "udp-connected": [/^fd 3: established UDP$/],
  "tcp-unbound": [/^fd 3: TCP that is not bound$/],
  "timer-of-thread": [/^POSIX timer 0: the clock -2$/],
  "timer-of-others": [/^POSIX timer 0: the clock -\d+$/],
  "pending-signals": [/^thread 2: 1 pending signal$/, /^the process has 1 pending signal$/],
  aio: [/^mapping .*: asynchronous I\/O$/, /^asynchronous I\/O: a context/],
  memfd: [/^memfd\.img: /, /^fd 3: a memory file/],
  "shared-memory": [/^memfd\.img: /, /^pagemap-shmem-\d+\.img: shared memory$/, /^mapping .*: a memory file/],
  "tmpfs-mapped": [/^the mapped file \/dev\/shm\/x is not in the container's root$/],
  "deleted-mapped": [/^ghost-file-1\.img: /, /^mapping .*: \/tmp\/gone was deleted$/, /^the mapped file \/tmp\/gone/],
  "deleted-open": [/^ghost-file-1\.img: /, /^fd 3: \/tmp\/gone was deleted$/],
  child: [/^2 processes: besides the main one 3$/, /^core-3\.img: /, /^fdinfo-3\.img: /],
  zombie: [/^2 processes: besides the main one 3$/, /^core-3\.img: /],
  fifo: [/^fifo-data\.img: /, /^fd 3: a named pipe \(FIFO\)$/],
  "thread-owner": [/^fd 3: signals the thread 2 \(F_SETOWN\)$/],
  locked: [/^mapping .*: locked in memory \(mlock\)$/],
  "thread-credentials": [
    /^thread 3: other credentials than the main thread \(uid, euid, suid, fsuid, effective, permitted\)$/,
  ],
  "thread-filter": [/^thread 3: other system call filters than the main thread$/],
  pidfd: [/^fd 3: a pidfd$/],
  netlink: [/^fd 3: a netlink socket$/],
  "unix-connected": [/^fd 4: a connected unix socket with a name$/, /^fd 5: a connected unix socket with a name$/],
  "fd-in-flight": [/^fd 4: descriptors wait in it \(SCM_RIGHTS\)$/],
  "shut-down-pair": [/^fd 3: a unix socket that is shut down$/, /^fd 4: a unix socket that is shut down$/],
  "reopened-pipe": [/^fd 5: an end of a pipe that was opened a second time$/],
  "stdout-reader": [/^fd 3: the other end of a standard stream$/],
  stopped: [/^the process is stopped$/],
};

describe.skipIf(typeof criu === "string")("refusing dumps", () => {
  let dumps: Dumps;

  beforeAll(async () => {
    if (typeof criu === "string") return;
    dumps = await Dumps.open(criu);
  });

  afterAll(async () => {
    expect(await dumps.close()).toEqual([]);
  });

  for (const [state, reasons] of Object.entries(REFUSED)) {
    test(`refused: ${state}`, async () => {
      const one = await dumps.make(state);
      const result = await understand(one.images, one.context);
      const matchers = reasons.map((reason) => expect.stringMatching(reason));
      expect(result).toEqual({ ok: false, refused: matchers, unsafe: [] });
    });
  }

  /** Tries to make a checkpoint of the program in a state that no engine restores. */
  async function expectNotMade(state: string, reason: string): Promise<void> {
    const { containers, checkpoints } = dumps.machine.daemon;
    const id = await dumps.start(state);
    const failure = await checkpoints.create(id, state).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: "CHECKPOINT_FAILED", message: expect.stringContaining(reason) });
    expect((await checkpoints.list()).map(({ name }) => name)).not.toContain(state);
    expect(await Bun.file(`/proc/${containers.get(id).pid}/status`).text()).not.toContain("State:\tT");
    await containers.remove(id, { force: true });
  }

  test("a semaphore refuses the checkpoint when it is made, and the container goes on", () =>
    expectNotMade("semaphore", "fd 3: an eventfd that is a semaphore"));

  test.skipIf(!hasTiles)("so do live AMX tiles (needs a CPU with AMX)", () =>
    expectNotMade("tiles", "thread 2: AMX tiles hold data"),
  );
});
