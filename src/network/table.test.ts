import { expect, test } from "bun:test";
import { publishedKeys, tableText, withdrawText } from "./table.ts";

const content = { name: "thaw-0", networks: [], published: [], guard: true };

test("the published ports of a table are read from its listing, when its rules are these", () => {
  const version = /chain (version-\w+) /.exec(tableText(content))?.[1];
  const listing = `table inet thaw-0 {
\tset nat4 {
\t\telements = { 10.0.0.0/24 }
\t}
\tmap any4 {
\t\ttype inet_proto . inet_service : ipv4_addr . inet_service
\t\telements = { tcp . 80 : 10.0.0.2 . 8080,
\t\t\t     udp . 53 : 10.0.0.3 . 53 }
\t}
\tmap ports4 {
\t\ttype ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service
\t\telements = { 127.0.0.1 . tcp . 81 : 10.0.0.2 . 8080 }
\t}
\tmap any6 {
\t\ttype inet_proto . inet_service : ipv6_addr . inet_service
\t}
\tmap ports6 {
\t\ttype ipv6_addr . inet_proto . inet_service : ipv6_addr . inet_service
\t\telements = { 2001:db8::1 . tcp . 81 : fd00::2 . 8080 }
\t}
\tchain ${version} {
\t}
}`;
  const keys = [
    "any4 { tcp . 80 }",
    "any4 { udp . 53 }",
    "ports4 { 127.0.0.1 . tcp . 81 }",
    "ports6 { 2001:db8::1 . tcp . 81 }",
  ];
  expect(publishedKeys(listing, true)).toEqual(keys);
  // As a machine without an /etc/protocols lists it.
  const numbers = listing.replace(/tcp \. /g, "6 . ").replace(/udp \. /g, "17 . ");
  expect(publishedKeys(numbers, true)).toEqual(keys);
  expect(publishedKeys(listing, false)).toBeUndefined();
  expect(withdrawText("thaw-0", keys.slice(0, 1))).toBe("delete element inet thaw-0 any4 { tcp . 80 }\n");
});
