/**
 * Containers in the shapes of the Docker Engine API.
 */
import type { ContainerDetails, ContainerSummary, PortSummary, ThawFacts } from "../api/containers.ts";
import { endNote } from "../container/index.ts";
import type { Container } from "../container/types.ts";
import type { NetworkManager } from "../network/index.ts";
import type { IdRange } from "../sandbox/index.ts";
import { isolationShape, stopShape } from "./isolation.ts";
import { limitFieldsOf } from "./limits.ts";
import { bindText, mountPoints } from "./mounts.ts";
import { networkMode, networkSettings, networksOf, portMap } from "./network-shapes.ts";

/** Docker's word for "not yet". */
const NEVER = "0001-01-01T00:00:00Z";

/** A row of the container list. @param now  milliseconds since the epoch, for "3 minutes ago". */
export function containerSummary(
  container: Container,
  imageId: string,
  networks: NetworkManager,
  now: number,
): ContainerSummary {
  const { id, spec } = container;
  return {
    Id: id,
    Names: [`/${spec.name}`],
    Image: imageName(container),
    ImageID: imageId,
    Command: spec.argv.join(" "),
    Created: Math.floor(container.createdAt / 1000),
    Ports: ports(container),
    Labels: spec.labels,
    State: shownState(container),
    Status: statusText(container, now),
    HostConfig: { NetworkMode: networkMode(spec) },
    NetworkSettings: { Networks: networksOf(networks, container) },
    Mounts: mountPoints(container.spec),
    "x-thaw": facts(container),
  };
}

/** All about one container. */
export function containerDetails(container: Container, imageId: string, networks: NetworkManager): ContainerDetails {
  const { id, spec } = container;
  return {
    Id: id,
    Created: timeText(container.createdAt),
    Path: spec.argv[0] ?? "",
    Args: spec.argv.slice(1),
    State: stateDetails(container),
    Image: imageId,
    Name: `/${spec.name}`,
    RestartCount: 0,
    Driver: "overlay2",
    Platform: "linux",
    Mounts: mountPoints(container.spec),
    Config: config(container),
    HostConfig: hostConfig(container),
    NetworkSettings: networkSettings(networks, container),
    "x-thaw": facts(container),
  };
}

function stateDetails(container: Container): ContainerDetails["State"] {
  const { state } = container;
  return {
    Status: shownState(container),
    Running: state === "running",
    Paused: container.paused === true,
    Restarting: false,
    OOMKilled: container.oomKilled,
    Dead: state === "dead",
    Pid: container.pid,
    ExitCode: container.exitCode,
    Error: container.error || endNote(container),
    StartedAt: timeText(container.startedAt),
    FinishedAt: timeText(container.finishedAt),
  };
}

function config({ spec }: Container): ContainerDetails["Config"] {
  return {
    Hostname: spec.hostname,
    Domainname: spec.isolation?.domainname ?? "",
    User: spec.user,
    Tty: spec.tty,
    OpenStdin: spec.openStdin,
    Env: spec.env,
    Cmd: spec.argv,
    Entrypoint: null,
    Image: spec.image ?? "",
    WorkingDir: spec.cwd,
    Labels: spec.labels,
    ...stopShape(spec.isolation),
  };
}

function hostConfig({ spec }: Container): ContainerDetails["HostConfig"] {
  return {
    ...limitFieldsOf(spec.limits),
    Binds: spec.binds.map(bindText),
    NetworkMode: networkMode(spec),
    PortBindings: portMap(spec),
    AutoRemove: spec.autoRemove,
    Init: spec.init,
    UsernsMode: spec.userns ? "auto" : "",
    ...idMappings(spec.userns?.ids),
    ...isolationShape(spec.isolation, spec.security),
    RestartPolicy: { Name: "no", MaximumRetryCount: 0 },
    LogConfig: { Type: "json-file", Config: {} },
  };
}

/** As podman shows them: inside, outside, how many. */
function idMappings(ids: IdRange | undefined): Record<string, unknown> {
  if (!ids) return {};
  const map = [`0:${ids.first}:${ids.count}`];
  return { IDMappings: { UidMap: map, GidMap: map } };
}

function facts({ spec, restoredFrom, service }: Container): ThawFacts {
  return { Rootfs: spec.rootfs ?? null, RestoredFrom: restoredFrom ?? null, Service: service ?? null };
}

function imageName({ spec }: Container): string {
  return spec.image ?? spec.rootfs ?? "";
}

function ports({ spec }: Container): PortSummary[] {
  return spec.ports.map(({ hostAddress, hostPort, containerPort, protocol }) => ({
    IP: hostAddress,
    PrivatePort: containerPort,
    PublicPort: hostPort,
    Type: protocol,
  }));
}

/** The state in Docker's words: a paused container runs, and is called paused. */
export function shownState({ state, paused }: Container): string {
  return state === "running" && paused ? "paused" : state;
}

function statusText(
  { state, paused, exitCode, oomKilled, startedAt, finishedAt, error }: Container,
  now: number,
): string {
  if (state === "running") return `Up ${spanText(now - startedAt)}${paused ? " (Paused)" : ""}`;
  if (state === "exited") {
    return `Exited (${exitCode}) ${spanText(now - finishedAt)} ago${oomKilled ? " (out of memory)" : ""}`;
  }
  if (state === "dead") return "Dead";
  return error === "" ? "Created" : "Created (could not start)";
}

const UNITS = [
  ["day", 86_400],
  ["hour", 3600],
  ["minute", 60],
] as const;

/** A time span in words, in its largest unit: "3 minutes". */
export function spanText(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  for (const [word, size] of UNITS) {
    const count = Math.floor(seconds / size);
    if (count > 0) return `${count} ${word}${count === 1 ? "" : "s"}`;
  }
  return seconds === 1 ? "1 second" : `${seconds} seconds`;
}

function timeText(ms: number): string {
  return ms === 0 ? NEVER : new Date(ms).toISOString();
}
