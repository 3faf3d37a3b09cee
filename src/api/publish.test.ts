import { expect, test } from "bun:test";
import { parsePublish } from "./publish.ts";

const ALL = "0.0.0.0";

test("what -p may look like", () => {
  expect(parsePublish("8001:80")).toEqual([{ hostAddress: ALL, hostPort: 8001, containerPort: 80, protocol: "tcp" }]);
  expect(parsePublish("127.0.0.1:53:5353/udp")).toEqual([
    { hostAddress: "127.0.0.1", hostPort: 53, containerPort: 5353, protocol: "udp" },
  ]);
  expect(parsePublish("80")).toEqual([{ hostAddress: ALL, hostPort: 0, containerPort: 80, protocol: "tcp" }]);
  expect(parsePublish("127.0.0.1::80")?.[0]).toMatchObject({ hostAddress: "127.0.0.1", hostPort: 0 });
  expect(parsePublish("[::1]:8001:80/tcp")?.[0]).toMatchObject({ hostAddress: "::1", hostPort: 8001 });
  const ranges = parsePublish("8000-8002:80-82") ?? [];
  expect(ranges.map(({ hostPort, containerPort }) => [hostPort, containerPort])).toEqual([
    [8000, 80],
    [8001, 81],
    [8002, 82],
  ]);
});

test("what it may not look like", () => {
  const bad = ["", "0", "70000:80", "80:70000", "1-2:1-3", "2-1:2-1", "300.0.0.1:1:1", "80/sctp", "a:80", "1:2:3:4"];
  expect(bad.map(parsePublish)).toEqual(bad.map(() => undefined));
});
