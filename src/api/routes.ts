/**
 * Every route of the HTTP API, once: the server matches requests against this table, the client builds its
 * addresses from it. Containers and images live at the Docker Engine API's paths (with or without a `/v1.NN`
 * prefix), so that Docker's own clients find them; what Docker has no word for lives under /thaw/v1.
 * `{name}` matches one path segment, `{name+}` matches slashes too (image references have them).
 */
import { ThawError } from "../common/errors.ts";

export const ROUTES = {
  ping: "GET /_ping",
  pingHead: "HEAD /_ping",
  version: "GET /version",
  info: "GET /info",
  containerList: "GET /containers/json",
  containerCreate: "POST /containers/create",
  containerInspect: "GET /containers/{id}/json",
  containerStart: "POST /containers/{id}/start",
  containerStop: "POST /containers/{id}/stop",
  containerRestart: "POST /containers/{id}/restart",
  containerPause: "POST /containers/{id}/pause",
  containerUnpause: "POST /containers/{id}/unpause",
  containerUpdate: "POST /containers/{id}/update",
  containerStats: "GET /containers/{id}/stats",
  containerTop: "GET /containers/{id}/top",
  containerKill: "POST /containers/{id}/kill",
  containerWait: "POST /containers/{id}/wait",
  containerResize: "POST /containers/{id}/resize",
  containerAttach: "POST /containers/{id}/attach",
  containerLogs: "GET /containers/{id}/logs",
  containerRemove: "DELETE /containers/{id}",
  volumeList: "GET /volumes",
  volumeCreate: "POST /volumes/create",
  volumePrune: "POST /volumes/prune",
  volumeInspect: "GET /volumes/{name}",
  volumeRemove: "DELETE /volumes/{name}",
  imageList: "GET /images/json",
  imageInspect: "GET /images/{name+}/json",
  imageRemove: "DELETE /images/{name+}",
  networkList: "GET /networks",
  networkCreate: "POST /networks/create",
  networkPrune: "POST /networks/prune",
  networkInspect: "GET /networks/{id}",
  networkRemove: "DELETE /networks/{id}",
  networkConnect: "POST /networks/{id}/connect",
  networkDisconnect: "POST /networks/{id}/disconnect",
  buildCreate: "POST /thaw/v1/builds",
  imageExport: "POST /thaw/v1/exports",
  checkpointList: "GET /thaw/v1/checkpoints",
  checkpointCreate: "POST /thaw/v1/checkpoints",
  checkpointInspect: "GET /thaw/v1/checkpoints/{name}",
  checkpointRemove: "DELETE /thaw/v1/checkpoints/{name}",
  checkpointExport: "POST /thaw/v1/checkpoints/{name}/export",
  checkpointImport: "POST /thaw/v1/checkpoints/import",
  checkpointRestore: "POST /thaw/v1/checkpoints/{name}/restore",
  serviceList: "GET /thaw/v1/services",
  metrics: "GET /thaw/v1/metrics",
  serviceUp: "POST /thaw/v1/services",
  serviceInspect: "GET /thaw/v1/services/{id}",
  serviceSleep: "POST /thaw/v1/services/{id}/sleep",
  containerRun: "POST /thaw/v1/run",
  projectDown: "DELETE /thaw/v1/projects/{project}",
  daemonStatus: "GET /thaw/v1/daemon",
  daemonStop: "POST /thaw/v1/daemon/stop",
} as const;

export type RouteName = keyof typeof ROUTES;

/** Values for a route's query string; undefined ones are left out. */
export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

/** The method and address of a route with its parameters filled in and escaped. @throws ThawError INVALID. */
export function routeAddress(name: RouteName, params: Record<string, string> = {}, query: Query = {}) {
  const [method = "", pattern = ""] = ROUTES[name].split(" ");
  const path = pattern.replace(/\{(\w+)(\+?)\}/g, (_, param: string, many: string) => {
    const value = params[param] ?? "";
    // However it is escaped, a URL takes such a segment for a step through the path.
    if (value === "." || value === "..") throw new ThawError("INVALID", `"${value}" is not a name or an id`);
    const escaped = encodeURIComponent(value);
    return many ? escaped.replaceAll("%2F", "/") : escaped;
  });
  const pairs = Object.entries(query).flatMap(([key, value]) =>
    value === undefined ? [] : [`${encodeURIComponent(key)}=${encodeURIComponent(String(value))}`],
  );
  return { method, path: pairs.length === 0 ? path : `${path}?${pairs.join("&")}` };
}

export interface RouteMatch {
  readonly name: RouteName;
  readonly params: Readonly<Record<string, string>>;
}

interface Compiled {
  readonly name: RouteName;
  readonly method: string;
  readonly regexp: RegExp;
}

function compile(name: string, route: string): Compiled {
  const [method = "", pattern = ""] = route.split(" ");
  const source = pattern.replace(/\{(\w+)(\+?)\}/g, (_, param: string, many: string) =>
    many ? `(?<${param}>.+)` : `(?<${param}>[^/]+)`,
  );
  // Object.entries forgets that the keys are route names.
  return { name: name as RouteName, method, regexp: new RegExp(`^(?:/v1\\.\\d+)?${source}$`) };
}

/** The routes as a function from a request to its name and parameters; undefined when there is none. */
export function routeMatcher(): (method: string, path: string) => RouteMatch | undefined {
  const compiled = Object.entries(ROUTES).map(([name, route]) => compile(name, route));
  return (method, path) => {
    for (const { name, method: wanted, regexp } of compiled) {
      const match = wanted === method ? regexp.exec(path) : null;
      if (match) return { name, params: decodeParams(match.groups ?? {}) };
    }
    return undefined;
  };
}

function decodeParams(groups: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(groups).map(([key, value]) => [key, decode(value)]));
}

/** A badly escaped segment names nothing; it is passed on as it is and not found. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
