/** Networks: who reaches whom, by which names, and who does not. Real containers, and a real world outside. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import ipaddr from "ipaddr.js";
import { exec } from "../src/common/exec.ts";
import { type Container, type ContainerSpec, startOf } from "../src/container/index.ts";
import type { LauncherEvent } from "../src/launcher/generated/protocol.ts";
import type { Joined, NetworkAttachment, NetworkChoice, NetworkSpec } from "../src/network/index.ts";
import { detectCgroups, partOf, wiredPart } from "../src/sandbox/index.ts";
import { mappedIdsMissing } from "./support/mapped-ids.ts";
import {
  NAME_SERVER,
  Outside,
  TCP_CLIENT,
  TCP_SERVER,
  TCP6_CLIENT,
  TCP6_SERVER,
  UDP_CLIENT,
  UDP_SERVER,
  UdpAsker,
} from "./support/outside.ts";
import { makePerlRoot } from "./support/perl-root.ts";
import { closeWorld, openWorld, type Ran, runToEnd, specOf, textOf, until, type World } from "./support/world.ts";

const missing = Outside.missing();
const hasIpv6 = existsSync("/proc/sys/net/ipv6/conf/all/forwarding");
const PERL = "/usr/bin/perl";

/** An address of IPv6 as 32 digits. */
function hex(address: string): string {
  return Buffer.from(ipaddr.parse(address).toByteArray()).toString("hex");
}

/** Perl: asks a name server one question, and gives back its answer, or nothing after some seconds. */
const QUESTION = `sub question { my ($server, $question, $patience) = @_; socket(S, 2, 2, 17);
  connect(S, pack("S n C4 x8", 2, 53, split /\\./, $server));
  send(S, pack("n6", 1, 0x100, 1, 0, 0, 0) . $question, 0); my $in = ""; vec($in, fileno(S), 1) = 1;
  return "" unless select($in, undef, undef, $patience); recv(S, my $answer, 4096, 0); return $answer }`;

describe.skipIf(missing !== undefined)(`networks${missing === undefined ? "" : ` (${missing})`}`, () => {
  let world: World;
  let outside: Outside;
  let root: string;

  beforeAll(async () => {
    world = await openWorld();
    outside = new Outside();
    root = join(world.root, "../perl");
    await makePerlRoot(root);
    await outside.serve(TCP_SERVER, "7000");
  });

  afterAll(async () => {
    outside.close();
    for (const { id } of world.containers.list({ all: true })) await world.containers.remove(id, { force: true });
    await world.containers.networks.takeDown();
    const interfaces = readFileSync("/proc/net/dev", "utf8");
    const bridges = world.containers.networks.list().map(({ bridge }) => bridge);
    await closeWorld(world);
    expect(bridges.filter((bridge) => interfaces.includes(bridge))).toEqual([]);
  });

  function choice(...networks: (string | Partial<NetworkAttachment>)[]): NetworkChoice {
    const attachments = networks.map((network): NetworkAttachment => {
      const plain = { network: "bridge", aliases: [], ip: undefined, ip6: undefined, mac: undefined };
      return typeof network === "string" ? { ...plain, network } : { ...plain, ...network };
    });
    return { mode: "bridge", attachments };
  }

  function network(name: string, wanted: Partial<NetworkSpec> = {}): NetworkSpec {
    const ranges = { subnet: undefined, gateway: undefined, subnet6: undefined, gateway6: undefined };
    return { name, ...ranges, ipv6: false, internal: false, mtu: undefined, labels: {}, ...wanted };
  }

  /** Runs a script in a container. */
  function perl(
    where: NetworkChoice,
    script: string,
    argv: string[] = [],
    more: Partial<ContainerSpec> = {},
  ): Promise<Ran> {
    return runToEnd(world, [PERL, "-e", script, ...argv], { rootfs: root, network: where, ...more });
  }

  /** Starts a server; resolves when it listens. */
  async function serve(where: NetworkChoice, script: string, port: number, more: Partial<ContainerSpec> = {}) {
    const spec = specOf(world, [PERL, "-e", script, String(port)], { rootfs: root, network: where, ...more });
    const { id } = await world.containers.create(spec);
    const container = await world.containers.start(id);
    await until(async () => {
      const records = await Array.fromAsync(world.containers.logs(id, { follow: false }));
      return textOf(records, "stdout").includes("listening");
    });
    return container;
  }

  function addressOf({ id }: Container, index = 0): string {
    return world.containers.networks.endpointsOf(id)[index]?.ip ?? "";
  }

  /** @param seconds  little where nothing is expected to come. */
  async function ask(where: NetworkChoice, host: string, port: number, seconds = 10): Promise<string> {
    return (await perl(where, TCP_CLIENT, [host, String(port), String(seconds)])).stdout.trim();
  }

  /** Connects from the machine itself. */
  function askHere(script: string, host: string, port: number): string {
    return Bun.spawnSync(["perl", "-e", script, host, String(port)])
      .stdout.toString()
      .trim();
  }

  test("containers of the default network reach each other, and the outside as the machine", async () => {
    const server = await serve(choice("bridge"), TCP_SERVER, 80);
    expect(await ask(choice("bridge"), addressOf(server), 80)).toMatch(/^172\.|^192\.168\./);
    expect(await ask(choice("bridge"), outside.world, 7000)).toBe(outside.host);
    const { stdout } = await runToEnd(world, ["cat", "/etc/hosts", "/proc/net/route"], { network: choice("bridge") });
    expect(stdout).toMatch(/^127\.0\.0\.1\tlocalhost\n/);
    expect(stdout).toMatch(/\n\d+\.\d+\.\d+\.\d+\t[0-9a-f]{12}\n/);
    expect(stdout).toContain("eth0\t00000000");
    // Without IPv6 in the network there is none on its interface, and nothing is said about it.
    const six = await runToEnd(world, ["cat", "/proc/net/if_inet6"], { network: choice("bridge") });
    expect(six.stdout).not.toContain("eth0");
    // Unpublished, it cannot be reached from outside, even by those who know the way.
    outside.route(world.containers.networks.get("bridge").subnet.cidr);
    expect(await outside.perl(TCP_CLIENT, addressOf(server), "80", "1")).toBe("timeout\n");
    await world.containers.remove(server.id, { force: true });
  });

  const unmapped = mappedIdsMissing();
  test.skipIf(unmapped !== "")(`a container with a user namespace is one like the others${unmapped}`, async () => {
    const userns = { ids: undefined };
    const server = await serve(choice("bridge"), TCP_SERVER, 80, { userns });
    const client = await perl(choice("bridge"), TCP_CLIENT, [addressOf(server), "80", "10"], { userns });
    expect(client.stdout).toMatch(/^172\.|^192\.168\./);
    const { stdout } = await perl(choice("bridge"), TCP_CLIENT, [outside.world, "7000", "10"], { userns });
    expect(stdout.trim()).toBe(outside.host);
    await world.containers.remove(server.id, { force: true });
  });

  test("names of a network resolve in it, and nowhere else", async () => {
    await world.containers.networks.create(network("names", { ipv6: true }));
    const server = await serve(choice({ network: "names", aliases: ["Www"] }), TCP_SERVER, 80, { name: "web" });
    for (const name of ["web", "WEB", "www", "web.names", server.id.slice(0, 12)]) {
      expect([name, await ask(choice("names"), name, 80)]).toEqual([name, expect.stringMatching(/^\d+\./)]);
    }
    expect(await ask(choice("bridge"), "web", 80)).toBe("no such name");
    const [endpoint] = world.containers.networks.endpointsOf(server.id);
    const lookups = `print scalar(gethostbyaddr(pack("C4", split /\\./, $ARGV[0]), 2)), "\\n";
      print gethostbyname("nobody") ? "found" : "not found", "\\n"; ${QUESTION}
      print join(":", unpack("(H4)8", substr(question($ARGV[1], "\\3web\\0" . pack("n2", 28, 1), 5), -16))), "\\n";`;
    const named = world.containers.networks.get("names");
    const { stdout } = await perl(choice("names"), lookups, [endpoint?.ip ?? "", named.subnet.gateway]);
    const [pointer, unknown, six = ""] = stdout.split("\n");
    expect([pointer, unknown]).toEqual(["web.names", "not found"]);
    expect(ipaddr.parse(six).toString()).toBe(endpoint?.ip6 ?? "");
    await world.containers.remove(server.id, { force: true });
    expect(await ask(choice("names"), "web", 80)).toBe("no such name");
  });

  test("networks are apart; a container in two reaches both", async () => {
    const [red, blue] = [
      await world.containers.networks.create(network("red")),
      await world.containers.networks.create(network("blue")),
    ];
    const server = await serve(choice("red"), TCP_SERVER, 80, { name: "in-red" });
    expect(await ask(choice("blue"), addressOf(server), 80, 1)).toBe("timeout");
    expect(await ask(choice("blue"), "in-red", 80)).toBe("no such name");
    // The gateway of another network is the machine, but nobody's there.
    const dns = `${QUESTION}
      print question($ARGV[0], "\\6in-red\\0" . pack("n2", 1, 1), $ARGV[1]) eq "" ? "silent" : "answered"`;
    expect((await perl(choice("red"), dns, [red.subnet.gateway, "5"])).stdout).toBe("answered");
    expect((await perl(choice("blue"), dns, [red.subnet.gateway, "0.3"])).stdout).toBe("silent");
    expect(await ask(choice("blue", "red"), "in-red", 80)).toMatch(/^\d+\./);
    expect(blue.subnet.cidr).not.toBe(red.subnet.cidr);
    await expect(world.containers.networks.remove("red")).rejects.toThrow("running containers");
    await world.containers.remove(server.id, { force: true });
    await world.containers.networks.remove("red");
    expect(existsSync(`/sys/class/net/${red.bridge}`)).toBe(false);
  });

  test("an internal network has no way out, and names in it resolve", async () => {
    await world.containers.networks.create(network("inner", { internal: true }));
    const server = await serve(choice("inner"), TCP_SERVER, 80, { name: "in-inner" });
    expect(await ask(choice("inner"), "in-inner", 80)).toMatch(/^\d+\./);
    expect(await ask(choice("inner"), outside.world, 7000)).toBe("Network is unreachable");
    // Even one that gives itself a route stays in.
    const { id } = await serve(choice("inner"), TCP_SERVER, 81);
    const { pid } = world.containers.get(id);
    const { subnet } = world.containers.networks.get("inner");
    const inside = (...command: string[]) => Bun.spawnSync(["nsenter", "-t", String(pid), "-n", ...command]);
    expect(inside("ip", "route", "add", "default", "via", subnet.gateway).exitCode).toBe(0);
    expect(inside("perl", "-e", TCP_CLIENT, outside.world, "7000", "1").stdout.toString()).toBe("timeout\n");
    for (const { id: each } of [server, { id }]) await world.containers.remove(each, { force: true });
  });

  test("published ports, TCP and UDP, from outside, from the machine and over loopback", async () => {
    const ports = [
      { hostAddress: "0.0.0.0", hostPort: 0, containerPort: 80, protocol: "tcp" as const },
      { hostAddress: "127.0.0.1", hostPort: 0, containerPort: 80, protocol: "tcp" as const },
    ];
    const server = await serve(choice("bridge"), TCP_SERVER, 80, { ports });
    const [port = 0, local = 0] = server.spec.ports.map(({ hostPort }) => hostPort);
    // Outside, the client's own address is seen.
    expect(await outside.perl(TCP_CLIENT, outside.host, String(port))).toBe(`${outside.world}\n`);
    expect(await outside.perl(TCP_CLIENT, outside.host, String(local))).toBe("Connection refused\n");
    for (const [host, at] of [
      ["127.0.0.1", port],
      ["127.0.0.1", local],
      [outside.host, port],
    ] as const) {
      expect(askHere(TCP_CLIENT, host, at)).toMatch(/^\d+\./);
    }
    // From a container of the same network through the machine's address.
    expect(await ask(choice("bridge"), outside.host, port)).toMatch(/^\d+\./);
    const same = [{ hostAddress: "0.0.0.0", hostPort: port, containerPort: 1, protocol: "tcp" as const }];
    const second = await world.containers.create(
      specOf(world, ["sleep", "9"], { network: choice("bridge"), ports: same }),
    );
    await expect(world.containers.start(second.id)).rejects.toMatchObject({ code: "PORT_IN_USE" });
    await world.containers.remove(server.id, { force: true });
    await world.containers.start(second.id);
    await world.containers.remove(second.id, { force: true });

    const udp = [{ hostAddress: "0.0.0.0", hostPort: 0, containerPort: 53, protocol: "udp" as const }];
    const echo = await serve(choice("bridge"), UDP_SERVER, 53, { ports: udp });
    const at = echo.spec.ports[0]?.hostPort ?? 0;
    expect(await outside.perl(UDP_CLIENT, outside.host, String(at))).toBe(`ping ${outside.world}\n`);
    expect(askHere(UDP_CLIENT, "127.0.0.1", at)).toMatch(/^ping \d+\./);
    // A sender that goes on sending reaches the next container that has the port.
    const sender = new UdpAsker(at);
    const first = await sender.ask();
    await world.containers.remove(echo.id, { force: true });
    expect(await sender.ask(200)).toBe("");
    const next = await serve(choice("bridge"), UDP_SERVER, 53, { ports: echo.spec.ports });
    expect(addressOf(next)).not.toBe(addressOf(echo));
    expect(await sender.ask()).toBe(first);
    sender.close();
    await world.containers.remove(next.id, { force: true });
    expect(await outside.perl(TCP_CLIENT, outside.host, String(port))).toBe("Connection refused\n");
  });

  test.skipIf(!hasIpv6)(`IPv6: out, in, and not in unasked${hasIpv6 ? "" : " (needs IPv6)"}`, async () => {
    await outside.serve(TCP6_SERVER, "7006");
    await world.containers.networks.create(network("six", { ipv6: true, subnet6: "2001:db8:6::/64" }));
    const ports = [{ hostAddress: "::", hostPort: 0, containerPort: 80, protocol: "tcp" as const }];
    const server = await serve(choice("six"), TCP6_SERVER, 80, { ports });
    const [endpoint] = world.containers.networks.endpointsOf(server.id);
    const port = String(server.spec.ports[0]?.hostPort);
    expect((await perl(choice("six"), TCP6_CLIENT, [hex(outside.world6), "7006"])).stdout).toBe(
      `${hex(outside.host6)}\n`,
    );
    expect(await outside.perl(TCP6_CLIENT, hex(outside.host6), port)).toBe(`${hex(outside.world6)}\n`);
    expect(askHere(TCP6_CLIENT, hex(outside.host6), Number(port))).not.toBe("");
    outside.route("2001:db8:6::/64");
    expect(await outside.perl(TCP6_CLIENT, hex(endpoint?.ip6 ?? ""), "80", "1")).toBe("timeout\n");
    await world.containers.remove(server.id, { force: true });
  });

  test("the machine's loopback is out of reach, also for one that bends its routes", async () => {
    const listener = Bun.listen({
      hostname: "127.0.0.1",
      port: 0,
      socket: { open: (socket) => void socket.end("the host\n"), data: () => {} },
    });
    const { id } = await serve(choice("bridge"), TCP_SERVER, 80);
    const { pid } = world.containers.get(id);
    const { gateway } = world.containers.networks.get("bridge").subnet;
    const bend = `ip address del 127.0.0.1/8 dev lo; ip route add 127.0.0.0/8 via ${gateway};
      echo 1 > /proc/sys/net/ipv4/conf/eth0/route_localnet; perl -e '${TCP_CLIENT}' 127.0.0.1 ${listener.port} 1`;
    // Not waited for in one go: the listener is this process.
    const { stdout } = await exec(["nsenter", "-t", String(pid), "-n", "sh", "-c", bend]);
    expect(stdout).toBe("timeout\n");
    listener.stop(true);
    await world.containers.remove(id, { force: true });
  });

  test("a running container is put into a network and taken out", async () => {
    await world.containers.networks.create(network("later"));
    const attachment = { network: "later", aliases: [], ip: undefined, ip6: undefined, mac: undefined };
    const ports = [{ hostAddress: "127.0.0.1", hostPort: 0, containerPort: 80, protocol: "tcp" as const }];
    const server = await serve(choice("bridge"), TCP_SERVER, 80, { name: "mover", ports });
    await world.containers.connect("mover", attachment);
    expect(await ask(choice("later"), "mover", 80)).toMatch(/^\d+\./);
    await expect(world.containers.connect("mover", attachment)).rejects.toThrow();
    await world.containers.disconnect("mover", "later");
    expect(await ask(choice("later"), "mover", 80)).toBe("no such name");
    // The way out moves to a network that is left.
    await world.containers.connect("mover", attachment);
    const port = server.spec.ports[0]?.hostPort ?? 0;
    expect(askHere(TCP_CLIENT, "127.0.0.1", port)).toMatch(/^\d+\./);
    await world.containers.disconnect("mover", "bridge");
    expect(askHere(`${TCP_CLIENT}`.replace("|| 10", "|| 1"), "127.0.0.1", port)).toBe("timeout");
    const { pid } = world.containers.get("mover");
    const ends = Bun.spawnSync(["nsenter", "-t", String(pid), "-n", "perl", "-e", TCP_CLIENT, outside.world, "7000"]);
    expect(ends.stdout.toString()).toBe(`${outside.host}\n`);
    await world.containers.connect("mover", { ...attachment, network: "bridge" });
    await world.containers.disconnect("mover", "later");
    await expect(world.containers.disconnect("mover", "later")).rejects.toMatchObject({ code: "WRONG_STATE" });
    expect(await ask(choice("bridge"), addressOf(server), 80)).toMatch(/^\d+\./);
    await world.containers.remove(server.id, { force: true });
  });

  test("what is no container's name is asked of the container's own name server, by the daemon", async () => {
    await outside.serve(NAME_SERVER);
    await world.containers.networks.create(network("asking"));
    const script = `print join(".", unpack("C4", (gethostbyname("elsewhere.example"))[4] || "")), "\\n"; print <>;`;
    const more = { isolation: { dns: [outside.world] } };
    const { subnet } = world.containers.networks.get("asking");
    const { stdout } = await perl(choice("asking"), script, ["/etc/resolv.conf"], more);
    expect(stdout).toStartWith(`192.0.2.53\nnameserver ${subnet.gateway}\n`);
    const inDefault = await perl(choice("bridge"), script, ["/etc/resolv.conf"], more);
    expect(inDefault.stdout).toContain(`192.0.2.53\n`);
    expect(inDefault.stdout).toContain(`nameserver ${outside.world}\n`);
  });

  const v1 = detectCgroups().version === 1;
  test.skipIf(!v1)(`a sandbox that was wired ahead is taken as it is${v1 ? "" : " (needs cgroup v1)"}`, async () => {
    const { launcher, cgroups, containers } = world;
    const { networks } = containers;
    const made = await networks.create(network("ahead"));
    const spec = specOf(world, [PERL, "-e", TCP_SERVER, "80"], { rootfs: root, network: choice("ahead") });
    const request = { attachments: spec.network.attachments, names: ["taker"], ports: [] };
    const planFor = (id: string, joined: Joined) => {
      const { before, after, ...wired } = joined;
      const sandbox = { ...wired, addresses: [] };
      return startOf(spec, containers.place(id), cgroups, undefined, { sandbox, before, after });
    };
    const pool = "pool-ahead";
    const ahead = await networks.joinAhead(pool, "ahead");
    const found = partOf(planFor(pool, ahead).plan) ?? { shape: "", part: [] };
    const plan = wiredPart(found.part, cgroups.leaves(pool), ahead.wiring);
    const events: LauncherEvent[] = [];
    const stop = launcher.onEvent((event) => events.push(event));
    const happened = (kind: string, of: string) =>
      until(() => events.some((event) => event.kind === kind && "id" in event && event.id === of));
    await launcher.request({ kind: "prepare", id: pool, plan, cleanup: cgroups.remove(pool) });
    await happened("parked", pool);
    // Who does not ask for it gets a place of its own.
    expect((await networks.join("other", request)).isAhead).toBe(false);
    networks.leave("other");
    const id = "a".repeat(64);
    const joined = await networks.join(id, { ...request, from: pool });
    expect(joined.endpoints[0]).toMatchObject({ ip: ahead.endpoints[0]?.ip, owner: id, names: ["taker"] });
    const place = { kind: "run", id, sandbox: "", stdio: 0, log: "" } as const;
    await launcher.request({ ...place, ...planFor(id, joined) });
    await happened("started", id);
    expect(events.filter(({ kind }) => kind === "taken")).toEqual([{ kind: "taken", id: pool, by: id }]);
    // It is a server: refused until it listens.
    await until(async () => /^\d+\./.test(await ask(choice("ahead"), "taker", 80)));
    await launcher.request({ kind: "kill", id });
    await happened("exited", id);
    await launcher.request({ kind: "forget", id });
    networks.leave(id);
    stop();
    expect(networks.endpointsIn(made)).toEqual([]);
  });

  test("an address of one's choice; a network that is full; what cannot be a network", async () => {
    const { networks } = world.containers;
    await networks.create(network("tiny", { subnet: "203.0.113.0/30", gateway: "203.0.113.2" }));
    const server = await serve(choice({ network: "tiny", ip: "203.0.113.1" }), TCP_SERVER, 80);
    expect(addressOf(server)).toBe("203.0.113.1");
    await expect(perl(choice("tiny"), "1")).rejects.toMatchObject({ code: "IN_USE" });
    await world.containers.remove(server.id, { force: true });
    expect((await perl(choice("tiny"), "print 1")).stdout).toBe("1");
    await expect(perl(choice({ network: "tiny", ip: "203.0.113.2" }), "1")).rejects.toMatchObject({ code: "INVALID" });
    await expect(perl(choice("nowhere"), "1")).rejects.toMatchObject({ code: "NETWORK_NOT_FOUND" });
    for (const [wanted, code] of [
      [{ name: "tiny" }, "NAME_IN_USE"],
      [{ name: "host" }, "INVALID"],
      [{ subnet: "203.0.113.0/24" }, "IN_USE"],
      [{ subnet: "198.51.100.0/24" }, "IN_USE"],
      [{ subnet: "10.0.0.0/33" }, "INVALID"],
      [{ subnet: "10.99.0.0/24", gateway: "10.98.0.1" }, "INVALID"],
      [{ mtu: 20 }, "INVALID"],
    ] as const) {
      await expect(networks.create(network("x", wanted))).rejects.toMatchObject({ code });
    }
  });
});
