/** Routes of networks. */
import { z } from "zod";
import { filterValuesSchema, jsonText } from "../../api/filters.ts";
import {
  type NetworkAnswer,
  networkConnectSchema,
  networkCreateSchema,
  networkDisconnectSchema,
} from "../../api/networks.ts";
import type { RouteName } from "../../api/routes.ts";
import { ThawError } from "../../common/errors.ts";
import { DEFAULT_NETWORK, type Network } from "../../network/index.ts";
import type { Call, Handler } from "../call.ts";
import { builtInNetworks, networkAnswer } from "../network-shapes.ts";
import { attachment, networkSpec } from "../network-spec.ts";
import type { Parts } from "../parts.ts";

const filtersSchema = z
  .strictObject({
    id: filterValuesSchema,
    name: filterValuesSchema,
    driver: filterValuesSchema,
    label: filterValuesSchema,
    scope: filterValuesSchema,
    type: filterValuesSchema,
    dangling: filterValuesSchema,
  })
  .partial();
type Filters = z.output<typeof filtersSchema>;
const listQuerySchema = z.object({ filters: jsonText.pipe(filtersSchema).optional() });
const pruneQuerySchema = z.object({ filters: jsonText.pipe(filtersSchema.pick({ label: true })).optional() });

type NetworkRoutes =
  | "networkList"
  | "networkCreate"
  | "networkPrune"
  | "networkInspect"
  | "networkRemove"
  | "networkConnect"
  | "networkDisconnect";

export function networkRoutes(parts: Parts): Record<NetworkRoutes & RouteName, Handler> {
  const { containers } = parts;
  const { networks } = containers;
  return {
    networkList: async (call) => {
      const { filters = {} } = call.query(listQuerySchema);
      call.json(everyNetwork(parts).filter((network) => passes(network, filters)));
    },
    networkCreate: async (call) => {
      const network = await networks.create(networkSpec(await call.body(networkCreateSchema)));
      call.json({ Id: network.id, Warning: "" }, 201);
    },
    networkPrune: (call) => prune(parts, call),
    networkInspect: async (call) => {
      const id = call.param("id");
      const builtIn = builtInNetworks().find(({ Name, Id }) => Name === id || Id === id);
      call.json(builtIn ?? networkAnswer(networks, containers, networks.get(id)));
    },
    networkRemove: async (call) => {
      await networks.remove(changeable(call.param("id")));
      call.empty();
    },
    networkConnect: async (call) => {
      const { Container, EndpointConfig } = await call.body(networkConnectSchema);
      const network = networks.get(changeable(call.param("id")));
      await containers.connect(Container, attachment(network.name, EndpointConfig));
      call.empty(200);
    },
    networkDisconnect: async (call) => {
      const { Container } = await call.body(networkDisconnectSchema);
      await containers.disconnect(Container, changeable(call.param("id")));
      call.empty(200);
    },
  };
}

/** @throws ThawError INVALID for host and none. */
function changeable(name: string): string {
  const builtIn = builtInNetworks().find(({ Name, Id }) => Name === name || Id === name);
  if (!builtIn) return name;
  throw new ThawError("INVALID", `${builtIn.Name} is no network that containers are put into or that can be removed`);
}

function everyNetwork({ containers }: Parts): NetworkAnswer[] {
  const { networks } = containers;
  // The default network is there from the beginning, as far as anybody can see.
  networks.get(DEFAULT_NETWORK);
  const all = networks.list().map((network) => networkAnswer(networks, containers, network));
  return [...all, ...builtInNetworks()].sort((a, b) => (a.Name < b.Name ? -1 : 1));
}

/** Values of one filter are alternatives; all filters must hold. */
function passes(network: NetworkAnswer, filters: Filters): boolean {
  const some = (values: string[] | undefined, test: (value: string) => boolean) => values?.some(test) ?? true;
  const isBuiltIn = ["bridge", "host", "none"].includes(network.Name);
  const unused = Object.keys(network.Containers).length === 0 && !isBuiltIn;
  return (
    some(filters.id, (value) => network.Id.startsWith(value)) &&
    some(filters.name, (value) => network.Name.includes(value)) &&
    some(filters.driver, (value) => network.Driver === value) &&
    some(filters.scope, (value) => network.Scope === value) &&
    some(filters.type, (value) => (value === "builtin") === isBuiltIn) &&
    some(filters.dangling, (value) => ["true", "1"].includes(value) === unused) &&
    some(filters.label, (value) => hasLabel(network.Labels, value))
  );
}

function hasLabel(labels: Readonly<Record<string, string>>, filter: string): boolean {
  const [name = "", ...value] = filter.split("=");
  return value.length === 0 ? Object.hasOwn(labels, name) : labels[name] === value.join("=");
}

/** Removes the networks that no container is or wants to be in. */
async function prune({ containers }: Parts, call: Call): Promise<void> {
  const { networks } = containers;
  const { filters = {} } = call.query(pruneQuerySchema);
  const wanted = new Set(
    containers.list({ all: true }).flatMap(({ spec }) => spec.network.attachments.map(({ network }) => network)),
  );
  const isUnused = ({ id, name }: Network) => name !== DEFAULT_NETWORK && !wanted.has(id) && !wanted.has(name);
  const removed: string[] = [];
  for (const network of networks.list().filter(isUnused)) {
    if (networks.endpointsIn(network).length > 0) continue;
    if (!passes(networkAnswer(networks, containers, network), filters)) continue;
    await networks.remove(network.id);
    removed.push(network.name);
  }
  call.json({ NetworksDeleted: removed });
}
