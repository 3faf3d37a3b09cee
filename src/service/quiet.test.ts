/** Waiting for connections to be gone from a process. */
import { expect, test } from "bun:test";
import { readdirSync, readlinkSync } from "node:fs";
import { untilQuiet } from "./quiet.ts";

const HOLDS_A_SOCKET = `$| = 1; socket(S, 2, 1, 6) or die; print "open\\n"; select(undef, undef, undef, 0.3); close S; sleep 60`;

test("a socket that is in no state any more is waited for until its descriptor is closed", async () => {
  const child = Bun.spawn(["perl", "-e", HOLDS_A_SOCKET], { stdin: "ignore", stdout: "pipe", stderr: "inherit" });
  try {
    const { value } = await child.stdout.getReader().read();
    expect(new TextDecoder().decode(value)).toBe("open\n");
    // Its output may be a socket, too.
    const before = socketsOf(child.pid);
    await untilQuiet(child.pid);
    expect(socketsOf(child.pid)).toBe(before - 1);
  } finally {
    child.kill(9);
    await child.exited;
  }
});

function socketsOf(pid: number): number {
  const links = readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
  return links.filter((link) => link.startsWith("socket:")).length;
}
