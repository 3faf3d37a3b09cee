/**
 * Files that others wrote: Dockerfiles, seccomp profiles, image names, layer archives. Arbitrary and damaged ones become a
 * value, or an error that says what is wrong.
 */
import { expect, test } from "bun:test";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import fc from "fast-check";
import { pack } from "tar-stream";
import { ThawError } from "../src/common/errors.ts";
import { parseDockerfile } from "../src/image/build/dockerfile.ts";
import { splitWords } from "../src/image/build/shell-words.ts";
import { parseReference } from "../src/image/reference.ts";
import { readTar } from "../src/image/tar/reader.ts";
import { readProfile } from "../src/sandbox/seccomp/profile.ts";
import { holds, holdsAsync } from "./support/property.ts";
import { anyBody, anyText } from "./support/senseless-json.ts";

const LONGEST_MESSAGE = 1000;

/** Throws what is no error for users. */
function expectRefusal(error: unknown): void {
  if (!(error instanceof ThawError)) throw error;
  expect({ code: error.code, status: error.status }).toMatchObject({ status: 400 });
  expect(error.message.length).toBeLessThan(LONGEST_MESSAGE);
}

function valueOrRefusal(make: () => unknown): void {
  try {
    make();
  } catch (error) {
    expectRefusal(error);
  }
}

const instruction = fc
  .tuple(
    fc.constantFrom(
      "FROM",
      "RUN",
      "COPY",
      "ADD",
      "ENV",
      "ARG",
      "CMD",
      "USER",
      "WORKDIR",
      "LABEL",
      "EXPOSE",
      "from",
      "NOPE",
      "# syntax=x",
      "ONBUILD",
    ),
    anyText,
    fc.constantFrom(
      "",
      " --from=a",
      " --chown=1:2",
      ' ["a", "b"]',
      " [",
      " \\",
      " <<EOF",
      " a=b c=d",
      ' "',
      " $A ${B:-c} ${",
      " AS b",
    ),
  )
  .map(([keyword, text, more]) => `${keyword}${more} ${text}`);

test("any text is a Dockerfile or is refused", () => {
  const file = fc.oneof(
    anyText,
    fc.array(instruction, { maxLength: 6 }).map((lines) => lines.join("\n")),
  );
  holds(
    fc.property(file, (text) => valueOrRefusal(() => parseDockerfile(text))),
    1000,
  );
});

test("any text splits into words or is refused", () => {
  const text = fc.oneof(
    anyText,
    fc
      .array(fc.constantFrom("$", "{", "}", ":-", ":+", "A", "'", '"', "\\", " "), { maxLength: 12 })
      .map((parts) => parts.join("")),
  );
  holds(
    fc.property(text, (words) => valueOrRefusal(() => splitWords(words, new Map([["A", "b"]])))),
    1000,
  );
});

test("any text is an image's name or is refused", () => {
  holds(
    fc.property(anyText, (text) => valueOrRefusal(() => parseReference(text))),
    500,
  );
});

test("any JSON is a seccomp profile or is refused", () => {
  const keys = [
    "defaultAction",
    "architectures",
    "archMap",
    "syscalls",
    "flags",
    "defaultErrnoRet",
    "names",
    "action",
    "args",
  ];
  const profile = fc.oneof(
    anyText,
    anyBody(keys).map((body) => JSON.stringify({ defaultAction: "SCMP_ACT_ALLOW", ...body })),
  );
  holds(
    fc.property(profile, (text) => valueOrRefusal(() => readProfile(text))),
    1000,
  );
});

async function someArchive(): Promise<Buffer> {
  const archive = pack();
  archive.entry({ name: "directory/", type: "directory" });
  archive.entry({ name: `long/${"n".repeat(150)}`, pax: { "SCHILY.xattr.user.a": "b" } }, "text");
  archive.entry({ name: "link", type: "symlink", linkname: "../../etc/passwd" });
  archive.entry({ name: "hard", type: "link", linkname: "directory/none" });
  archive.entry({ name: ".wh.gone" }, "");
  archive.finalize();
  return buffer(archive);
}

test("a damaged archive is read or refused", async () => {
  const whole = await someArchive();
  const damage = fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { maxLength: 6 });
  await holdsAsync(
    fc.asyncProperty(damage, fc.nat(whole.length), fc.boolean(), async (changes, end, cut) => {
      const bytes = Buffer.from(whole);
      for (const [at, byte] of changes) bytes[at] = byte;
      const chunk = cut ? bytes.subarray(0, end) : bytes;
      try {
        for await (const entry of readTar(Readable.from([chunk]))) await Array.fromAsync(entry.body());
      } catch (error) {
        expectRefusal(error);
      }
    }),
    1000,
  );
});
