/** Sandboxes that are wired to a network ahead: each has its own address from the beginning, and keeps it when taken. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { LauncherEvent } from "../src/launcher/generated/protocol.ts";
import type { NetworkChoice } from "../src/network/index.ts";
import { Outside } from "./support/outside.ts";
import { pooledTest } from "./support/pooled-test.ts";
import {
  closeWorld,
  leftovers,
  NOTHING_LEFT,
  openWorld,
  runToEnd,
  specOf,
  textOf,
  until,
  type World,
} from "./support/world.ts";

const missing = Outside.missing();
const BRIDGE: NetworkChoice = {
  mode: "bridge",
  attachments: [{ network: "bridge", aliases: [], ip: undefined, ip6: undefined, mac: undefined }],
};
const ADDRESSES = "cat /proc/net/fib_trie /proc/net/route /etc/hosts /etc/resolv.conf";

describe.skipIf(missing !== undefined)(`wired ahead${missing === undefined ? "" : ` (${missing})`}`, () => {
  let world: World;
  const events: LauncherEvent[] = [];

  beforeAll(async () => {
    world = await openWorld(undefined, { pauseMs: 1, keepMs: 600_000 });
    world.launcher.onEvent((event) => events.push(event));
  });

  afterAll(async () => {
    await world.containers.pool?.reset();
    await until(async () => (await world.launcher.list()).containers.length === 0);
    const { networks } = world.containers;
    const left = networks.endpointsIn(networks.get("bridge"));
    expect(left).toEqual([]);
    expect(await leftovers(world)).toEqual(NOTHING_LEFT);
    await networks.takeDown();
    await closeWorld(world);
  });

  const look = (wanted = {}) => runToEnd(world, ["sh", "-c", ADDRESSES], { network: BRIDGE, ...wanted });
  /** The id of a sandbox that waits and has a place in a network. */
  async function wired(): Promise<string> {
    let found: string | undefined;
    await until(() => {
      const ids = new Set<string>();
      for (const event of events) {
        if (event.kind === "parked") ids.add(event.id);
        else if (event.kind === "taken" || event.kind === "exited") ids.delete(event.id);
      }
      found = [...ids].find((id) => world.containers.networks.endpointsOf(id).length > 0);
      return found !== undefined;
    });
    return found ?? "";
  }

  const lastAddress = (text: string) =>
    /^(\d+\.\d+\.\d+\.\d+)\t(?!localhost)/m.exec(text.replace(/^127.*$/gm, ""))?.[1] ?? "none";

  pooledTest("the container has the address that the sandbox was wired with, and its files say so", async () => {
    const alone = await look();
    expect(alone.exitCode).toBe(0);
    const ready = await wired();
    const { networks } = world.containers;
    // It is nobody's place yet, so nobody is shown it.
    expect(networks.endpointsIn(networks.get("bridge"))).toEqual([]);
    const ip = networks.endpointsOf(ready)[0]?.ip ?? "";
    const pooled = await look();
    expect(events).toContainEqual(expect.objectContaining({ kind: "taken", id: ready }));
    expect(lastAddress(pooled.stdout)).toBe(ip);
    expect(pooled.stdout).toContain(`|-- ${ip}`);
    expect(pooled.stdout).toContain("eth0\t00000000");
  });

  pooledTest("what asks for an address of its own, or for more networks, is wired when it starts", async () => {
    const { gateway } = world.containers.networks.get("bridge").subnet;
    const ip = gateway.replace(/\d+$/, "77");
    const own = await look({ network: { ...BRIDGE, attachments: [{ ...BRIDGE.attachments[0], ip }] } });
    expect(lastAddress(own.stdout)).toBe(ip);
    const last = world.containers.networks.endpointsOf(await wired())[0]?.ip;
    const asked = await look({ network: { ...BRIDGE, attachments: [{ ...BRIDGE.attachments[0], ip: last }] } });
    expect(lastAddress(asked.stdout)).toBe(last ?? "");
  });

  test("many at once have addresses of their own, and all are given back", async () => {
    const argv = ["sh", "-c", "cat /etc/hosts; sleep 600"];
    const ids = await Promise.all(
      Array.from({ length: 6 }, async () => {
        const { id } = await world.containers.create(specOf(world, argv, { network: BRIDGE }));
        await world.containers.start(id);
        return id;
      }),
    );
    const texts = ids.map(async (id) => {
      let text = "";
      await until(async () => {
        text = textOf(await Array.fromAsync(world.containers.logs(id, { follow: false })), "stdout");
        return text.includes("ip6-loopback");
      });
      return lastAddress(text);
    });
    const addresses = await Promise.all(texts);
    expect(new Set(addresses).size).toBe(6);
    for (const [index, id] of ids.entries()) {
      expect(world.containers.networks.endpointsOf(id)[0]?.ip).toBe(addresses[index] ?? "");
      await world.containers.remove(id, { force: true });
    }
  });

  pooledTest("one that dies gives its address back", async () => {
    const { networks } = world.containers;
    const id = await wired();
    await world.launcher.request({ kind: "kill", id });
    await until(() => networks.endpointsOf(id).length === 0);
  });

  pooledTest("one whose container failed before it took it ends at once", async () => {
    await wired();
    const from = events.length;
    const taken = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
    const ports = [{ hostAddress: "127.0.0.1", hostPort: taken.port, containerPort: 80, protocol: "tcp" as const }];
    const { id } = await world.containers.create(specOf(world, ["true"], { network: BRIDGE, ports }));
    await expect(world.containers.start(id)).rejects.toMatchObject({ code: "PORT_IN_USE" });
    taken.stop(true);
    await until(() => events.slice(from).some((event) => event.kind === "exited" && event.id.startsWith("pool-")));
    await world.containers.remove(id, { force: true });
  });
});
