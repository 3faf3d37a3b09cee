/**
 * Which Debian mirror this machine uses, read from its own apt configuration (one-line and deb822
 * files), so that a package of another Debian suite comes from the same place, checked against the
 * same keys. thaw knows no mirror itself.
 */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { execOk } from "../../common/exec.ts";

/** A mirror of Debian's main archive. */
export interface DebianMirror {
  readonly uri: string;
  /** deb822 `Signed-By` value: keyring paths, or an embedded key with its continuation lines. */
  readonly signedBy?: string;
  /** The administrator's `Trusted: yes`, passed on. */
  readonly trusted: boolean;
}

/** Debian's own suites; others' archives often use the same names, so this alone decides nothing. */
const SUITES =
  /^(bullseye|bookworm|trixie|forky|duke|sid|oldoldstable|oldstable|stable|testing|unstable)(-updates)?\/?$/;

const ARCHIVE_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";

/** The Debian mirrors that the machine's apt is configured with, the likeliest first; none where it is not Debian. */
export async function debianMirrors(): Promise<DebianMirror[]> {
  const mirrors: DebianMirror[] = [];
  for (const file of await sourceFiles()) {
    const text = await Bun.file(file)
      .text()
      .catch(() => "");
    mirrors.push(...(file.endsWith(".sources") ? parseDeb822(text) : parseOneLine(text)));
  }
  const unique = new Map(mirrors.map((mirror) => [mirror.uri, mirror]));
  const keyring = (await Bun.file(ARCHIVE_KEYRING).exists()) ? ARCHIVE_KEYRING : undefined;
  return [...unique.values()]
    .sort((a, b) => likelihood(b) - likelihood(a))
    .map((mirror) => (mirror.signedBy === undefined && keyring ? { ...mirror, signedBy: keyring } : mirror));
}

/** The deb822 text of a source of `suite` from `mirror`. */
export function renderSource(mirror: DebianMirror, suite: string): string {
  const lines = ["Types: deb", `URIs: ${mirror.uri}`, `Suites: ${suite}`, "Components: main", "Targets: Packages"];
  if (mirror.signedBy !== undefined) lines.push(`Signed-By: ${mirror.signedBy}`);
  if (mirror.trusted) lines.push("Trusted: yes");
  return `${lines.join("\n")}\n`;
}

/** The Debian mirrors in a `.sources` file. */
export function parseDeb822(text: string): DebianMirror[] {
  return text.split(/\n(?:[ \t]*\n)+/).flatMap((stanza) => {
    const fields = parseStanza(stanza);
    const words = (name: string) => (fields.get(name) ?? "").split(/\s+/).filter(Boolean);
    if (/^(no|false|0|off|without|disable)$/i.test(fields.get("enabled") ?? "") || !words("types").includes("deb"))
      return [];
    if (!isDebian(words("suites"), words("components"))) return [];
    return words("uris").map((uri) => mirror(uri, fields.get("signed-by"), fields.get("trusted")));
  });
}

/** The Debian mirrors in a `.list` file. */
export function parseOneLine(text: string): DebianMirror[] {
  return text.split("\n").flatMap((line) => {
    const entry = /^\s*deb\s+(?:\[([^\]]*)\]\s*)?(\S+)\s+(\S+)\s+([^#]*)/.exec(line);
    const [, options = "", uri, suite, components] = entry ?? [];
    if (uri === undefined || suite === undefined || components === undefined) return [];
    if (!isDebian([suite], components.trim().split(/\s+/))) return [];
    const option = (name: string) => new RegExp(`(?:^|\\s)${name}=(\\S+)`, "i").exec(options)?.[1];
    return [mirror(uri, option("signed-by")?.replaceAll(",", " "), option("trusted"))];
  });
}

function mirror(uri: string, signedBy: string | undefined, trusted: string | undefined): DebianMirror {
  const yes = /^(yes|true|1|on|with|enable)$/i.test(trusted ?? "");
  return { uri: uri.replace(/\/+$/, ""), trusted: yes, ...(signedBy ? { signedBy } : {}) };
}

function isDebian(suites: string[], components: string[]): boolean {
  return components.includes("main") && suites.some((suite) => SUITES.test(suite));
}

/** Debian's keyring says it for certain; a path that ends in /debian nearly so. */
function likelihood({ uri, signedBy }: DebianMirror): number {
  return (signedBy?.includes("debian-archive") ? 2 : 0) + (/\/debian$/.test(uri) ? 1 : 0);
}

/** Fields of a deb822 stanza by lower-case name; continuation lines are kept as they are. */
function parseStanza(stanza: string): Map<string, string> {
  const fields = new Map<string, string>();
  let current: string | undefined;
  for (const line of stanza.split("\n")) {
    if (line.startsWith("#")) continue;
    const [, name, value] = /^([A-Za-z0-9-]+):[ \t]*(.*)$/.exec(line) ?? [];
    if (name !== undefined && value !== undefined) {
      current = name.toLowerCase();
      fields.set(current, value.trimEnd());
    } else if (current !== undefined && /^[ \t]/.test(line)) {
      fields.set(current, `${fields.get(current) ?? ""}\n${line.trimEnd()}`);
    }
  }
  return fields;
}

/** The files that apt reads its sources from. */
async function sourceFiles(): Promise<string[]> {
  const shell = await execOk([
    "apt-config",
    "shell",
    "list",
    "Dir::Etc::sourcelist/f",
    "parts",
    "Dir::Etc::sourceparts/d",
  ]);
  const setting = (name: string) => new RegExp(`^${name}='(.*)'$`, "m").exec(shell)?.[1];
  const parts = setting("parts") ?? "/etc/apt/sources.list.d/";
  const names = (await readdir(parts).catch(() => [])).filter((name) => /^[A-Za-z0-9_.-]+\.(list|sources)$/.test(name));
  return [setting("list") ?? "/etc/apt/sources.list", ...names.sort().map((name) => join(parts, name))];
}
