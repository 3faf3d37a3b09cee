import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { Endpoints } from "./endpoints.ts";
import { HostNetworks } from "./host.ts";
import { NetworkStore } from "./store.ts";
import type { Endpoint, Network } from "./types.ts";

const network: Network = {
  id: "n".repeat(64),
  name: "app",
  subnet: { cidr: "10.1.2.0/24", gateway: "10.1.2.1" },
  subnet6: undefined,
  internal: false,
  mtu: 1500,
  bridge: "thaw0b0",
  labels: {},
  createdAt: 0,
};
const place = { networkId: network.id, interface: "eth0", veth: "thaw0v0", ip6: undefined, mac: "02:42:0a:01:02:05" };
const wish = { interface: "eth0", names: [], ports: [], servers: [] };
const attachment = { network: "app", aliases: [], ip: undefined, ip6: undefined, mac: undefined };
// Nothing is asked of it here.
const host = new HostNetworks(undefined as never, "/run/test");

function endpoint(owner: string, ip: string): Endpoint {
  return { ...place, ...wish, owner, ip };
}

function rows(database: Database): [string, string][] {
  return database
    .query<{ owner: string; content: string }, []>("SELECT owner, content FROM endpoints ORDER BY owner")
    .all()
    .map(({ owner, content }) => [owner, JSON.parse(content).ip]);
}

test("an address that is recorded twice belongs to the last one, and never to a sandbox made ahead", () => {
  const database = new Database(":memory:");
  const before = new NetworkStore(database);
  before.saveNetwork(network);
  before.saveEndpoint(endpoint("pool-1", "10.1.2.5"));
  before.saveEndpoint(endpoint("container", "10.1.2.5"));
  before.saveEndpoint(endpoint("earlier", "10.1.2.6"));
  before.saveEndpoint(endpoint("later", "10.1.2.6"));
  before.saveEndpoint(endpoint("container2", "10.1.2.7"));
  before.saveEndpoint(endpoint("pool-2", "10.1.2.7"));
  const endpoints = new Endpoints(new NetworkStore(database), host);
  const left = [
    ["container", "10.1.2.5"],
    ["container2", "10.1.2.7"],
    ["later", "10.1.2.6"],
  ];
  expect(rows(database)).toEqual(left as [string, string][]);
  expect(endpoints.add(network, attachment, { ...wish, owner: "new" }).ip).not.toMatch(/\.[567]$/);
});

test("a place is handed over in one step, or stays where it was", () => {
  const database = new Database(":memory:");
  const store = new NetworkStore(database);
  store.saveNetwork(network);
  const endpoints = new Endpoints(store, host);
  const ahead = endpoints.add(network, attachment, { ...wish, owner: "pool-1" });
  const given = endpoints.handOver(ahead, { ...wish, owner: "container" });
  expect(rows(database)).toEqual([["container", ahead.ip]]);
  expect(store.owners()).toEqual(["container"]);
  database.run("CREATE TRIGGER full BEFORE INSERT ON endpoints BEGIN SELECT RAISE(ABORT, 'full'); END");
  expect(() => endpoints.handOver(given, { ...wish, owner: "other" })).toThrow();
  expect(rows(database)).toEqual([["container", ahead.ip]]);
  expect(store.owners()).toEqual(["container"]);
});
