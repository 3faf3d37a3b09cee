import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ThawError } from "../common/errors.ts";
import { readFromLowers } from "./lowers.ts";
import { lookupUser } from "./user.ts";

let root: string;

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "thaw-test-"));
  const image = join(root, "image", "etc");
  mkdirSync(image, { recursive: true });
  writeFileSync(
    join(image, "passwd"),
    "root:x:0:0:root:/root:/bin/sh\nweb:x:33:34:web:/var/www:/bin/sh\nbroken\nhuge:x:99999999999:1::/:\n",
  );
  writeFileSync(join(image, "group"), "root:x:0:\nweb:x:34:\ndisk:x:6:web,other\ntape:x:26:web\n");
});

afterAll(() => rmSync(root, { recursive: true, force: true }));

const lowers = () => [join(root, "image")];

test("nothing said is root", () => {
  expect(lookupUser("", lowers())).toEqual({ uid: 0, gid: 0, groups: [], home: "/root" });
});

test("a name brings its group, its home and the groups that list it", () => {
  expect(lookupUser("web", lowers())).toEqual({ uid: 33, gid: 34, groups: [6, 26], home: "/var/www" });
  expect(lookupUser("33", lowers())).toEqual({ uid: 33, gid: 34, groups: [6, 26], home: "/var/www" });
});

test("a number that nobody has is taken as it is", () => {
  expect(lookupUser("1234", lowers())).toEqual({ uid: 1234, gid: 0, groups: [], home: "/" });
  expect(lookupUser("1234:77", lowers())).toEqual({ uid: 1234, gid: 77, groups: [], home: "/" });
});

test("a group that is said stands alone", () => {
  expect(lookupUser("web:disk", lowers())).toMatchObject({ uid: 33, gid: 6, groups: [] });
});

test.each(["nobody-here", "huge", "web:nothing", "a:b:c", ":1", "1:", "-1", "99999999999", "broken"])(
  "%p is refused",
  (text) => {
    expect(() => lookupUser(text, lowers())).toThrow(ThawError);
  },
);

test("the upper layer hides the lower one's file", () => {
  const upper = join(root, "upper");
  mkdirSync(join(upper, "etc"), { recursive: true });
  writeFileSync(join(upper, "etc", "passwd"), "web:x:44:45::/w:\n");
  expect(lookupUser("web", [upper, ...lowers()])).toMatchObject({ uid: 44, gid: 45 });
});

test("links stay inside the root", () => {
  const evil = join(root, "evil");
  mkdirSync(join(evil, "real"), { recursive: true });
  writeFileSync(join(evil, "real", "passwd"), "inside:x:5:5::/:\n");
  symlinkSync("/real", join(evil, "etc"));
  expect(readFromLowers([evil], "/etc/passwd")).toBe("inside:x:5:5::/:\n");
  symlinkSync("../../../../../../../../etc/passwd", join(evil, "real", "group"));
  expect(readFromLowers([evil], "/etc/group")).toBe("inside:x:5:5::/:\n");
  symlinkSync("loop", join(evil, "loop"));
  expect(readFromLowers([evil], "/loop")).toBeUndefined();
});

test("what is not a small regular file is not read", async () => {
  const odd = join(root, "odd");
  mkdirSync(odd);
  await Bun.spawn(["mkfifo", join(odd, "fifo")]).exited;
  writeFileSync(join(odd, "big"), new Uint8Array((1 << 20) + 1));
  expect(readFromLowers([odd], "/fifo")).toBeUndefined();
  expect(readFromLowers([odd], "/big")).toBeUndefined();
  expect(readFromLowers([odd], "/")).toBeUndefined();
  expect(readFromLowers([odd], "/big/below")).toBeUndefined();
});

test("groups are added by name or number, whatever the user's group is", () => {
  expect(lookupUser("web", lowers(), ["tape", "5"])).toMatchObject({ groups: [6, 26, 5] });
  expect(lookupUser("1234:77", lowers(), ["disk"])).toMatchObject({ gid: 77, groups: [6] });
  expect(() => lookupUser("web", lowers(), ["strangers"])).toThrow('no group "strangers"');
});
