/** thaw network create | ls | inspect | rm | connect | disconnect | prune */
import type { NetworkAnswer, NetworkCreateInput, NetworkCreateResponse } from "../../api/networks.ts";
import { collect, forEachName, makeCommand, makeGroup } from "../command.ts";
import type { Context } from "../context.ts";
import { countOption } from "../options.ts";
import { failedToo, print, printJson, table } from "../print.ts";

const MTU = "com.docker.network.driver.mtu";

export const command = (context: Context) =>
  makeGroup(
    "network",
    "Make, list, show and remove networks, and put containers into them.",
    [
      ["thaw network create back", "containers in it find each other by name"],
      ["thaw run -d --network back --name db hello", "a container in it"],
    ],
    [
      create(context),
      list(context),
      inspect(context),
      remove(context),
      connect(context),
      disconnect(context),
      prune(context),
    ],
  );

interface CreateOptions {
  readonly subnet?: string[];
  readonly gateway?: string[];
  readonly internal?: boolean;
  readonly ipv6?: boolean;
  readonly label?: string[];
  readonly opt?: string[];
  readonly mtu?: string;
  readonly driver?: string;
}

function create({ client }: Context) {
  return makeCommand("create", "Make a network, and print its id.", [
    ["thaw network create back", "a network with a subnet that is free"],
    ["thaw network create --internal --subnet 10.9.0.0/24 db", "without a way out"],
  ])
    .argument("<name>", "the network's name")
    .option("--subnet <subnet>", "its addresses, such as 10.9.0.0/24; once more for IPv6", collect)
    .option("--gateway <address>", "the machine's own address in it", collect)
    .option("--internal", "no way out, and none in: its containers reach each other only")
    .option("--ipv6", "with addresses of IPv6 too")
    .option("--mtu <bytes>", "the largest packet (default: that of the machine's way out)")
    .option("-d, --driver <driver>", "bridge, the only one")
    .option("-o, --opt <name=value>", `an option, such as ${MTU}=1400`, collect)
    .option("--label <name=value>", "note something about it", collect)
    .action(async (name: string, options: CreateOptions) => {
      const { Id } = await client.json<NetworkCreateResponse>("networkCreate", { body: createInput(name, options) });
      print(Id);
    });
}

function createInput(name: string, options: CreateOptions): NetworkCreateInput {
  const { subnet = [], gateway = [], internal = false, ipv6 = false, driver = "bridge" } = options;
  const isV6 = (text: string) => text.includes(":");
  const pairs = [false, true].flatMap((v6) => {
    const Subnet = subnet.filter((text) => isV6(text) === v6);
    const Gateway = gateway.filter((text) => isV6(text) === v6);
    const count = Math.max(Subnet.length, Gateway.length);
    return Array.from({ length: count }, (_, at) => ({ Subnet: Subnet[at] ?? "", Gateway: Gateway[at] ?? "" }));
  });
  const given = pairsOf(options.opt ?? []);
  if (options.mtu !== undefined) given[MTU] = String(countOption("--mtu", options.mtu, 1));
  return {
    Name: name,
    Driver: driver,
    Internal: internal,
    EnableIPv6: ipv6,
    IPAM: { Config: pairs },
    Options: given,
    Labels: pairsOf(options.label ?? []),
  };
}

function pairsOf(texts: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    texts.map((text) => {
      const at = text.indexOf("=");
      return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
    }),
  );
}

function list({ client }: Context) {
  return makeCommand("ls", "List networks.", [["thaw network ls", "all of them"]])
    .option("-q, --quiet", "show only ids")
    .action(async ({ quiet = false }: { quiet?: boolean }) => {
      const all = await client.json<NetworkAnswer[]>("networkList");
      if (quiet) {
        for (const { Id } of all) print(Id.slice(0, 12));
        return;
      }
      const rows = all.map(({ Id, Name, Driver, Scope, IPAM, Internal }) => [
        Id.slice(0, 12),
        Name,
        Driver,
        Scope,
        IPAM.Config.map(({ Subnet }) => Subnet).join(" "),
        Internal ? "internal" : "",
      ]);
      print(table(["NETWORK ID", "NAME", "DRIVER", "SCOPE", "SUBNET", ""], rows));
    });
}

function inspect({ client }: Context) {
  return makeCommand("inspect", "Show all about networks as a JSON list.", [
    ["thaw network inspect back", "its subnet, and the containers in it"],
  ])
    .argument("<network...>", "names or ids")
    .action(async (names: string[]) => {
      const found: NetworkAnswer[] = [];
      for (const id of names) found.push(await client.json<NetworkAnswer>("networkInspect", { params: { id } }));
      printJson(found);
    });
}

function remove({ client }: Context) {
  return makeCommand("rm", "Remove networks that no container is in.", [
    ["thaw network rm back", "its bridge goes too"],
  ])
    .argument("<network...>", "names or ids")
    .action(async (names: string[]) => {
      await forEachName(
        names,
        async (id) => {
          await client.send("networkRemove", { params: { id } });
          print(id);
        },
        failedToo,
      );
    });
}

interface ConnectOptions {
  readonly ip?: string;
  readonly ip6?: string;
  readonly alias?: string[];
}

function connect({ client }: Context) {
  return makeCommand("connect", "Put a container into a network, at once when it runs.", [
    ["thaw network connect back web", "web has one interface more"],
    ["thaw network connect --alias www back web", "and one name more"],
  ])
    .argument("<network>", "name or id")
    .argument("<container>", "name or id")
    .option("--ip <address>", "its address there")
    .option("--ip6 <address>", "its IPv6 address there")
    .option("--alias <name>", "a name by which the others find it", collect)
    .action(async (id: string, container: string, { ip = "", ip6 = "", alias = [] }: ConnectOptions) => {
      const EndpointConfig = { IPAMConfig: { IPv4Address: ip, IPv6Address: ip6 }, Aliases: alias };
      await client.send("networkConnect", { params: { id }, body: { Container: container, EndpointConfig } });
    });
}

function disconnect({ client }: Context) {
  return makeCommand("disconnect", "Take a container out of a network.", [
    ["thaw network disconnect back web", "web has one interface less"],
  ])
    .argument("<network>", "name or id")
    .argument("<container>", "name or id")
    .action(async (id: string, container: string) => {
      await client.send("networkDisconnect", { params: { id }, body: { Container: container } });
    });
}

function prune({ client }: Context) {
  return makeCommand("prune", "Remove all networks that no container is in or will be in.", [
    ["thaw network prune", "the default network stays"],
  ]).action(async () => {
    const { NetworksDeleted } = await client.json<{ NetworksDeleted: string[] }>("networkPrune");
    for (const name of NetworksDeleted) print(name);
  });
}
