import { expect, test } from "bun:test";
import { AddressPool } from "./ipam.ts";

const pool = (cidr: string, gateway: string) => new AddressPool("net", { cidr, gateway });

test("all but the gateway and the ends are given, and a freed one rests", () => {
  const small = pool("10.1.0.0/29", "10.1.0.1");
  const given = Array.from({ length: 5 }, () => small.take());
  expect(given).toEqual(["10.1.0.2", "10.1.0.3", "10.1.0.4", "10.1.0.5", "10.1.0.6"]);
  expect(() => small.take()).toThrow("no free address left: all 5 are taken");
  small.release("10.1.0.4");
  small.release("10.1.0.2");
  expect([small.take(), small.take()]).toEqual(["10.1.0.2", "10.1.0.4"]);
  small.release("10.1.0.3");
  small.release("10.1.0.5");
  expect(small.take()).toBe("10.1.0.5");
});

test("a wish is checked", () => {
  const net = pool("10.1.0.0/24", "10.1.0.254");
  expect(net.reserve("10.1.0.7")).toBe("10.1.0.7");
  for (const [ip, message] of [
    ["10.1.0.7", "belongs to another container"],
    ["10.1.0.254", "cannot be the address"],
    ["10.1.0.0", "cannot be the address"],
    ["10.1.0.255", "cannot be the address"],
    ["10.2.0.1", "cannot be the address"],
    ["fd00::1", "cannot be the address"],
    ["10.1.0.300", "is not an address"],
  ] as const) {
    expect(() => net.reserve(ip)).toThrow(message);
  }
});

test("IPv6 has no last address to spare", () => {
  const net = pool("fd00:1::/126", "fd00:1::1");
  expect([net.take(), net.take()]).toEqual(["fd00:1::2", "fd00:1::3"]);
  expect(() => net.take()).toThrow("no free address");
  expect(pool("fd00:2::/64", "fd00:2::1").prefix).toBe(64);
});
