import { expect, test } from "bun:test";
import { checkKernel, checkRoot } from "./setup.ts";

test("old kernels are refused with what was expected", () => {
  expect(checkKernel("6.1.0-28-amd64")).toBe("6.1.0-28-amd64");
  expect(checkKernel("5.12.0")).toBe("5.12.0");
  expect(() => checkKernel("5.11.9")).toThrow("expected Linux 5.12 or newer, got 5.11.9");
});

test("a chroot that is no mount point is refused before anything else fails strangely", () => {
  expect(() => checkRoot("22 1 0:5 / /proc rw - proc proc rw\n")).toThrow("not a mount point");
  checkRoot("21 1 254:0 / / rw - ext4 /dev/vda rw\n22 21 0:5 / /proc rw - proc proc rw\n");
});
