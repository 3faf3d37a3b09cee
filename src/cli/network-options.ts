/** The options of `thaw run` about networks, as the parts of the request that makes the container. */
import type { CreateInput } from "../api/containers.ts";
import { parsePublish } from "../api/publish.ts";
import { ThawError } from "../common/errors.ts";
import { show } from "../common/show.ts";
import type { ContainerOptions } from "./container-options.ts";

type HostConfigInput = NonNullable<CreateInput["HostConfig"]>;
type Endpoints = NonNullable<NonNullable<CreateInput["NetworkingConfig"]>["EndpointsConfig"]>;

/** One `--network`: a name, or name=NAME,alias=ALIAS,ip=ADDRESS... */
interface NetworkText {
  readonly name: string;
  readonly aliases: readonly string[];
  readonly ip: string | undefined;
  readonly ip6: string | undefined;
  readonly mac: string | undefined;
}

/** HostConfig.NetworkMode and NetworkingConfig. @throws ThawError INVALID. */
export function networksConfig(options: ContainerOptions): {
  readonly NetworkMode: string;
  readonly EndpointsConfig: Endpoints;
} {
  const asked = (options.network ?? ["default"]).map(networkText);
  const [first = networkText("default"), ...others] = asked;
  const main: NetworkText = {
    ...first,
    aliases: [...first.aliases, ...(options.networkAlias ?? [])],
    ip: options.ip ?? first.ip,
    ip6: options.ip6 ?? first.ip6,
    mac: options.macAddress ?? first.mac,
  };
  const all = [main, ...others];
  const names = all.map(({ name }) => name);
  if (new Set(names).size < names.length) throw bad(names.join(", "), "each network once");
  if (isPlain(main) && others.length === 0) return { NetworkMode: main.name, EndpointsConfig: {} };
  const alone = names.find((name) => name === "none" || name === "host");
  if (alone !== undefined) throw bad(names.join(", "), `${alone} alone, without addresses and aliases`);
  return {
    NetworkMode: main.name,
    EndpointsConfig: Object.fromEntries(all.map((text) => [text.name, endpoint(text)])),
  };
}

/** HostConfig.PortBindings. @throws ThawError INVALID. */
export function portBindings(publish: readonly string[]): HostConfigInput["PortBindings"] {
  const bindings: Record<string, { HostIp: string; HostPort: string }[]> = {};
  for (const text of publish) {
    const ports = parsePublish(text);
    if (!ports) {
      throw new ThawError(
        "INVALID",
        `--publish: expected [[ADDRESS:]HOST-PORT:]CONTAINER-PORT[/udp] such as 8001:8000, got ${show(text)}`,
        { hint: "Correct the option; every command explains its options with --help." },
      );
    }
    for (const { hostAddress, hostPort, containerPort, protocol } of ports) {
      const key = `${containerPort}/${protocol}`;
      bindings[key] = [...(bindings[key] ?? []), { HostIp: hostAddress, HostPort: String(hostPort) }];
    }
  }
  return bindings;
}

function networkText(text: string): NetworkText {
  const plain: NetworkText = { name: text, aliases: [], ip: undefined, ip6: undefined, mac: undefined };
  if (!text.includes("=")) {
    if (text === "") throw bad(text, "none, host, or the name of a network");
    return plain;
  }
  const known = ["name", "alias", "ip", "ip6", "mac-address"];
  const fields = text.split(",").map((field): [string, string] => {
    const at = field.indexOf("=");
    if (!known.includes(field.slice(0, at))) throw bad(text, `fields ${known.join(", ")}`);
    return [field.slice(0, at), field.slice(at + 1)];
  });
  const values = new Map(fields);
  const name = values.get("name");
  if (!name) throw bad(text, "a field name=NETWORK");
  const aliases = fields.flatMap(([field, value]) => (field === "alias" ? [value] : []));
  return { name, aliases, ip: values.get("ip"), ip6: values.get("ip6"), mac: values.get("mac-address") };
}

function isPlain({ aliases, ip, ip6, mac }: NetworkText): boolean {
  return aliases.length === 0 && ip === undefined && ip6 === undefined && mac === undefined;
}

function endpoint({ aliases, ip, ip6, mac }: NetworkText): Endpoints[string] {
  return {
    Aliases: [...aliases],
    IPAMConfig: { IPv4Address: ip ?? "", IPv6Address: ip6 ?? "" },
    MacAddress: mac ?? "",
  };
}

function bad(got: string, expected: string): ThawError {
  return new ThawError("INVALID", `--network: expected ${expected}, got ${show(got)}`, {
    hint: "`thaw network ls` lists the networks there are.",
  });
}
