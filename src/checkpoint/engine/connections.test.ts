import { expect, test } from "bun:test";
import { parseSockets, unkept } from "./connections.ts";

const HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
const line = (local: string, remote: string, state: string, inode: number) =>
  `   0: ${local} ${remote} ${state} 00000000:00000000 00:00000000 00000000     0        0 ${inode} 1 0000 20 4 30 10 -1\n`;

const SERVER = "0100007F:2328";
const CLIENT = "0100007F:A001";
const V6 = "00000000000000000000000001000000";

function reasons(text: string, own: number[]): string[] {
  return unkept(parseSockets(HEAD + text), new Set(own.map(String)));
}

test("a connection with both ends in the container is kept; who only listens has none", () => {
  const pair = line(SERVER, CLIENT, "01", 1) + line(CLIENT, SERVER, "01", 2) + line(SERVER, "00000000:0000", "0A", 3);
  expect(reasons(pair, [1, 2, 3])).toEqual([]);
  expect(
    reasons(line(`${V6}:2328`, `${V6}:A001`, "08", 1) + line(`${V6}:A001`, `${V6}:2328`, "05", 2), [1, 2]),
  ).toEqual([]);
});

test("ends of IPv4 in an IPv6 socket are the same ends", () => {
  const mapped = (end: string) => `0000000000000000FFFF0000${end}`;
  expect(reasons(line(SERVER, CLIENT, "01", 1) + line(mapped(CLIENT), mapped(SERVER), "01", 2), [1, 2])).toEqual([]);
});

test("one whose other end is somebody else's is told", () => {
  const pair = line(SERVER, CLIENT, "01", 1) + line(CLIENT, SERVER, "01", 2);
  expect(reasons(pair, [1])).toEqual([
    "the connection 127.0.0.1:9000 - 127.0.0.1:40961 has its other end outside of the checkpoint",
  ]);
  expect(reasons(pair, [])).toEqual([]);
});

test("one with an address of the network is told", () => {
  const [own, other] = ["0200590A:0050", "0200590A:A001"];
  expect(reasons(line(own, other, "01", 1) + line(other, own, "01", 2), [1, 2])[0]).toContain("10.89.0.2:80");
  const v6 = "B80D0120000000000000000002000000";
  const both = line(`${v6}:0050`, `${v6}:A001`, "01", 1) + line(`${v6}:A001`, `${v6}:0050`, "01", 2);
  expect(reasons(both, [1, 2])[0]).toContain("[2001:db8:0:0:0:0:0:2]:80");
});
