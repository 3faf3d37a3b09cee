import { expect, test } from "bun:test";
import { parseDeb822, parseOneLine, renderSource } from "./sources.ts";

test("deb822: Debian's stanza is found among others, disabled and security ones are not", () => {
  const text = `Types: deb
# a comment
URIs: http://mirror.test/debian/ http://second.test/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.test/debian-security
Suites: bookworm-security
Components: main

Enabled: no
Types: deb
URIs: http://off.test/debian
Suites: trixie
Components: main
 \t
Types: deb-src
URIs: http://source.test/debian
Suites: trixie
Components: main
`;
  const signedBy = "/usr/share/keyrings/debian-archive-keyring.gpg";
  expect(parseDeb822(text)).toEqual([
    { uri: "http://mirror.test/debian", signedBy, trusted: false },
    { uri: "http://second.test/debian", signedBy, trusted: false },
  ]);
});

test("deb822: an embedded key survives reading and writing", () => {
  const key =
    "\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mQINBGPL0BUBEADmW5NdOOHw\n -----END PGP PUBLIC KEY BLOCK-----";
  const text = `Types: deb\nURIs: http://m.test/debian\nSuites: sid\nComponents: main\nTrusted: yes\nSigned-By:${key}\n`;
  const [mirror] = parseDeb822(text);
  expect(mirror).toEqual({ uri: "http://m.test/debian", signedBy: key, trusted: true });
  const rendered = mirror === undefined ? "" : renderSource(mirror, "sid");
  expect(parseDeb822(rendered.replace("Signed-By: \n", "Signed-By:\n"))).toEqual(mirror === undefined ? [] : [mirror]);
});

test("one line: options, comments and other archives", () => {
  const text = `# deb http://commented.test/debian bookworm main
deb http://plain.test/debian bookworm main
deb [arch=amd64,arm64 signed-by=/k/a.gpg,/k/b.gpg] https://m.test/debian/ trixie-updates main # trailing
deb-src http://source.test/debian bookworm main
deb https://other.test/repository bookworm stable
deb http://security.test/debian-security bookworm-security main
deb http://archive.test/ubuntu noble main
`;
  expect(parseOneLine(text)).toEqual([
    { uri: "http://plain.test/debian", trusted: false },
    { uri: "https://m.test/debian", signedBy: "/k/a.gpg /k/b.gpg", trusted: false },
  ]);
});
