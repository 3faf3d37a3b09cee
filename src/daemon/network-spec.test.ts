import { expect, test } from "bun:test";
import { createSchema } from "../api/containers.ts";
import { networkCreateSchema } from "../api/networks.ts";
import { parse } from "../api/validate.ts";
import { ThawError } from "../common/errors.ts";
import { networkChoice, networkSpec } from "./network-spec.ts";

const PLAIN = { aliases: [], ip: undefined, ip6: undefined, mac: undefined };

function choice(NetworkMode: string | undefined, EndpointsConfig: Record<string, object | null> = {}) {
  const body = { Image: "a", HostConfig: { NetworkMode }, NetworkingConfig: { EndpointsConfig } };
  return networkChoice(parse(createSchema, body, "the body"));
}

test("the network of NetworkMode comes first, the default one by any of its names", () => {
  for (const mode of [undefined, "", "default", "bridge"]) {
    expect(choice(mode)).toEqual({ mode: "bridge", attachments: [{ network: "bridge", ...PLAIN }] });
  }
  const config = { IPAMConfig: { IPv4Address: "10.0.0.7" }, Aliases: ["db"], MacAddress: "" };
  expect(choice("back", { front: null, back: config })).toEqual({
    mode: "bridge",
    attachments: [
      { network: "back", ...PLAIN, aliases: ["db"], ip: "10.0.0.7" },
      { network: "front", ...PLAIN },
    ],
  });
  expect(choice("bridge", { default: { Aliases: ["x"] } }).attachments).toEqual([
    { network: "bridge", ...PLAIN, aliases: ["x"] },
  ]);
});

test("none and host are alone", () => {
  expect(choice("none")).toEqual({ mode: "none", attachments: [] });
  expect(() => choice("host", { back: null })).toThrow("cannot be in back too");
});

function network(body: object) {
  return networkSpec(parse(networkCreateSchema, { Name: "n", ...body }, "the body"));
}

test("a network of both kinds of addresses", () => {
  const Config = [{ Subnet: "fd00:1::/64" }, { Subnet: "10.0.0.0/24", Gateway: "10.0.0.9" }];
  const Options = { "com.docker.network.driver.mtu": "1400" };
  expect(network({ IPAM: { Config }, Options, Internal: true, Labels: { a: "b" } })).toEqual({
    name: "n",
    subnet: "10.0.0.0/24",
    gateway: "10.0.0.9",
    ipv6: true,
    subnet6: "fd00:1::/64",
    gateway6: undefined,
    internal: true,
    mtu: 1400,
    labels: { a: "b" },
  });
});

test.each([
  [{ Driver: "overlay" }, "Driver"],
  [{ Name: "a b" }, "expected 1 to 63 letters"],
  [{ Name: "../x" }, "expected 1 to 63 letters"],
  [{ IPAM: { Config: [{ Subnet: "10.0.0.0" }] } }, "Subnet"],
  [{ IPAM: { Config: [{ Subnet: "10.0.0.0/24", IPRange: "10.0.0.0/25" }] } }, "IPRange"],
  [{ IPAM: { Config: [{ Subnet: "10.0.0.0/24" }, { Subnet: "10.0.1.0/24" }] } }, "one subnet of IPv4"],
  [{ IPAM: { Driver: "dhcp" } }, "IPAM.Driver"],
  [{ Options: { "com.docker.network.driver.mtu": "-1" } }, "number of bytes"],
  [{ Options: { "com.docker.network.bridge.name": "br0" } }, "bridge.name"],
  [{ Ingress: true }, "Ingress"],
])("%j is refused, and it is said why", (body, message) => {
  expect(() => network(body)).toThrow(ThawError);
  expect(() => network(body)).toThrow(message);
});
