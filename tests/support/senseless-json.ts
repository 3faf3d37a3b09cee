/** Texts and JSON that people and programs might send: arbitrary, and such that nearly make sense. */
import fc from "fast-check";

/** Texts that are something somewhere, and somewhere else not. */
const known = fc.constantFrom(
  ...["", " ", "0", "1", "-1", "+1", "01", "1.5", ".5", "1e3", "1e400", "NaN", "Infinity", "0x10", "9".repeat(400)],
  ...[
    "512m",
    "1g",
    "1.5GiB",
    "0.0001k",
    "1kb",
    "9999999t",
    "2s",
    "1m30s",
    "500ms",
    "99999999h",
    "8080:80",
    "80",
    "0:0",
  ],
  ...["127.0.0.1:1:2", "256.0.0.1:1:2", "1:65536", "[::1]:1:2", "1-5:1-5", "8080:80/udp", "a", "a=b", "=", "=b", "a="],
  ...[
    "/",
    "/a",
    "/a:/b",
    "/a:/b:ro",
    "/a:/b:ro:rw",
    "a:/b",
    ":/b",
    "/a:",
    "::",
    "/a:/b:z,ro",
    "type=bind,source=/a,target=/b",
  ],
  ...[
    "type=tmpfs,target=/t,tmpfs-size=1m",
    "type=none",
    "/run:size=64m",
    "/run:size=x",
    "nofile=1:2",
    "nofile=2:1",
    "cpu=-1",
  ],
  ...[
    "host:1.2.3.4",
    "host:",
    "1.2.3.4",
    "::1",
    "NET_ADMIN",
    "cap_net_admin",
    "ALL",
    "seccomp=unconfined",
    "seccomp=/none",
  ],
  ...[
    "net.core.somaxconn=1",
    "kernel.panic=1",
    "/dev/null",
    "/dev/null:/dev/x:rwm",
    "/dev/null::q",
    "host",
    "private",
    "auto",
  ],
  ...[
    "container:x",
    "root",
    "0:0",
    "a:b:c",
    "SIGTERM",
    "SIGNOTHING",
    "64",
    "65",
    "__proto__",
    "constructor",
    "\0",
    "a\0b",
    "\n",
  ],
  ...["\u001b[2J", "ä💥", "\ud800", "x".repeat(5000), "--", "-", "-x", "--rm", "${A}", "{}", "[]", "null", "true"],
);
/** Any text. */
export const anyText = fc.oneof(
  { weight: 3, arbitrary: known },
  { weight: 1, arbitrary: fc.string({ unit: "binary" }) },
);

/** JSON as a client sends it, with texts that may mean something. */
const { json } = fc.letrec<{ json: unknown }>((tie) => ({
  json: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    anyText,
    fc.constantFrom<unknown>(null, true, false, 0, -1, 1, 1.5, 2 ** 53, -(2 ** 63), 1e308),
    fc.array(tie("json"), { maxLength: 3 }),
    fc.dictionary(
      fc.oneof(anyText, fc.constantFrom("80/tcp", "Name", "HostPort", "Type", "Source", "Target")),
      tie("json"),
      {
        maxKeys: 3,
      },
    ),
  ),
}));

/** Any JSON value. */
export const anyJson = json;

/** An object with some of these keys, and others. */
export function anyBody(keys: readonly string[]): fc.Arbitrary<Record<string, unknown>> {
  const pair = fc.tuple(fc.constantFrom(...keys, "Nothing"), anyJson);
  return fc.array(pair, { maxLength: 5 }).map((pairs) => Object.fromEntries(pairs));
}
