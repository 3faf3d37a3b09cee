/** Checkpoints of more than one plain process: trees with pipes, connections within a container, terminals. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { copyFile } from "node:fs/promises";
import { join } from "node:path";
import type { Attachment } from "../src/container/types.ts";
import { WAKES_NOTHING } from "../src/launcher/index.ts";
import { findCriu, Machine } from "./support/machine.ts";

const criu = await findCriu();
if (typeof criu === "string") console.log(`skipped: checkpoints need a working CRIU: ${criu}`);

const PROGRAM = new URL("support/tree.pl", import.meta.url).pathname;

/** Answers each line with a count, what it is connected to, and the size of its window. */
const TERMINAL = `
  $| = 1; my $count = 0;
  while (my $line = <STDIN>) {
    chomp $line;
    my $size = pack("S4"); ioctl(STDOUT, 0x5413, $size) or print "no size\\n";
    my $own = open(my $tty, ">", "/dev/tty") ? "controlling" : "none: $!";
    print ++$count, " $line ", (-t STDIN && -t STDERR ? "tty" : "none"), " $own ", join("x", (unpack("S4", $size))[0, 1]), "\\n";
  }`;

describe.skipIf(typeof criu === "string")("checkpoints", () => {
  let machine: Machine;

  beforeAll(async () => {
    if (typeof criu === "string") return;
    machine = await Machine.start(criu);
    await copyFile(PROGRAM, join(machine.root, "tree.pl"));
  });

  afterAll(async () => {
    expect(await machine.close()).toEqual([]);
  });

  async function startTree(name: string): Promise<string> {
    const { containers } = machine.daemon;
    const { id } = await containers.create(machine.container(name, { argv: ["/usr/bin/perl", "/tree.pl"] }));
    await containers.start(id);
    expect(await machine.get(id, "/pipe")).toMatch(/^1 \d+ 2$/);
    expect(await machine.get(id, "/tcp")).toMatch(/^1 \d+ 2$/);
    return id;
  }

  test("of a parent with workers keep who is whose, their pids, and the pipes between them", async () => {
    const { containers, checkpoints } = machine.daemon;
    const id = await startTree("tree");
    const before = (await machine.get(id, "/pipe")).split(" ");
    await checkpoints.create(id, "tree-1");
    for (const containerName of ["tree-a", "tree-b"]) {
      await checkpoints.restore("tree-1", { containerName });
      expect((await machine.get(containerName, "/pipe")).split(" ")).toEqual(["3", ...before.slice(1)]);
      expect(await machine.get(containerName, "/shell")).toBe("alive");
    }
    const { containers: listed } = machine.daemon;
    await checkpoints.create("tree-a", "tree-2");
    await checkpoints.restore("tree-2", { containerName: "tree-c" });
    expect((await machine.get("tree-c", "/pipe")).split(" ")).toEqual(["4", ...before.slice(1)]);
    for (const name of ["tree", "tree-a", "tree-b", "tree-c"]) await listed.remove(name, { force: true });
    for (const name of ["tree-2", "tree-1"]) await checkpoints.remove(name);
    expect(containers.list({ all: true })).toEqual([]);
  });

  test("close connections within the container, or keep them as asked", async () => {
    const { containers, checkpoints } = machine.daemon;
    const id = await startTree("linked");
    await checkpoints.create(id, "kept", { leaveRunning: true, connections: "keep" });
    expect(await machine.get(id, "/tcp")).toMatch(/^2 /);
    await checkpoints.create(id, "closed");
    await checkpoints.restore("kept", { containerName: "with" });
    await checkpoints.restore("closed", { containerName: "without" });
    expect(await machine.get("with", "/tcp")).toMatch(/^2 /);
    expect(await machine.get("with", "/tcp")).toMatch(/^3 /);
    expect(await machine.get("with", "/pipe")).toMatch(/^2 /);
    expect(await machine.get("without", "/tcp")).toBe("gone");
    expect(await machine.get("without", "/pipe")).toMatch(/^2 /);
    for (const name of ["linked", "with", "without"]) await containers.remove(name, { force: true });
    for (const name of ["kept", "closed"]) await checkpoints.remove(name);
  });

  test("that are to keep a connection to the outside are refused, and the container goes on with it", async () => {
    const { containers, checkpoints, client } = machine.daemon;
    const { id } = await containers.create(machine.container("outside"));
    await containers.start(id);
    expect(await machine.get(id, "/count")).toBe("1");
    const [listener, unix] = ["test.open", join(machine.paths.run, "open.sock")];
    await client.request({ kind: "listen", id: listener, address: "", port: 0, path: unix, backlog: 8 });
    const route = { ...WAKES_NOTHING, stdio: 0, log: "", refusal: new Uint8Array(0) };
    await client.request({
      kind: "route",
      id: listener,
      target: id,
      port: 8000,
      readyMs: 5000,
      ...route,
    });
    const answered = Promise.withResolvers<string>();
    const socket = await Bun.connect({ unix, socket: { data: (_, bytes) => answered.resolve(bytes.toString()) } });
    socket.write("GET /count HTTP/1.1\r\n");
    await Bun.sleep(100);
    const refused = checkpoints.create(id, "outside-1", { connections: "keep" });
    await expect(refused).rejects.toMatchObject({ code: "CHECKPOINT_FAILED" });
    await expect(refused).rejects.toThrow(/127\.0\.0\.1:8000 .*other end outside/);
    socket.write("\r\n");
    expect(await answered.promise).toEndWith("\r\n\r\n2");
    socket.end();
    await client.request({ kind: "unlisten", id: listener });
    await containers.remove(id, { force: true });
    expect(await checkpoints.list()).toEqual([]);
  });

  test("of a process with a terminal come back with one", async () => {
    const { containers, checkpoints } = machine.daemon;
    const spec = machine.container("screen", { argv: ["/usr/bin/perl", "-e", TERMINAL], tty: true, openStdin: true });
    const { id } = await containers.create(spec);
    await containers.start(id);
    const first = await Screen.of(id);
    await containers.resize(id, 31, 97);
    expect(await first.say("hello")).toContain("1 hello tty controlling 31x97");
    first.close();
    await checkpoints.create(id, "screen-1");
    await checkpoints.restore("screen-1", { containerName: "screen-a" });
    const second = await Screen.of("screen-a");
    expect(await second.say("again")).toContain("2 again tty controlling 31x97");
    await containers.resize("screen-a", 50, 132);
    expect(await second.say("bigger")).toContain("3 bigger tty controlling 50x132");
    second.close();
    await checkpoints.create("screen-a", "screen-2");
    await checkpoints.restore("screen-2", { containerName: "screen-b" });
    const third = await Screen.of("screen-b");
    expect(await third.say("third")).toContain("4 third tty controlling 50x132");
    await third.write("\x03");
    expect(await containers.wait("screen-b")).toMatchObject({ exitCode: 130 });
    for (const name of ["screen", "screen-a", "screen-b"]) await containers.remove(name, { force: true });
    for (const name of ["screen-2", "screen-1"]) await checkpoints.remove(name);
  });

  /** Who sits before a container's terminal. */
  class Screen {
    readonly #attached: Attachment;
    #text = "";
    #news = Promise.withResolvers<void>();

    private constructor(attached: Attachment) {
      this.#attached = attached;
      void this.#read();
    }

    static async of(container: string): Promise<Screen> {
      const streams = { stdin: true, stdout: true, stderr: true };
      return new Screen(await machine.daemon.containers.attach(container, streams));
    }

    async #read(): Promise<void> {
      for await (const bytes of this.#attached.output) {
        this.#text += Buffer.from(bytes).toString();
        this.#news.resolve();
        this.#news = Promise.withResolvers();
      }
    }

    async write(text: string): Promise<void> {
      await this.#attached.write(Buffer.from(text));
    }

    /** The program's answer to a line. */
    async say(line: string): Promise<string> {
      await this.write(`${line}\n`);
      const answer = new RegExp(`\\d+ ${line} [^\n]*\n`);
      for (;;) {
        const found = answer.exec(this.#text);
        if (found) return found[0];
        await this.#news.promise;
      }
    }

    close(): void {
      this.#attached.close();
    }
  }
});
