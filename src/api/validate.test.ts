import { describe, expect, test } from "bun:test";
import { ThawError } from "../common/errors.ts";
import { createSchema, listQuerySchema, logsQuerySchema } from "./containers.ts";
import { serviceUpSchema } from "./thaw.ts";
import { parse } from "./validate.ts";

/** The error that parsing throws, as "CODE: message". */
function refusal(schema: Parameters<typeof parse>[0], value: unknown): string {
  try {
    parse(schema, value, "the body");
  } catch (error) {
    if (error instanceof ThawError) return `${error.code}: ${error.message}`;
    throw error;
  }
  return "accepted";
}

/** What Docker's command line sends for `docker create busybox`, shortened to what is of interest. */
const DOCKER_CREATE = {
  Hostname: "",
  Domainname: "",
  User: "",
  AttachStdin: false,
  AttachStdout: true,
  AttachStderr: true,
  Tty: false,
  OpenStdin: false,
  StdinOnce: false,
  Env: null,
  Cmd: null,
  Image: "busybox",
  Volumes: {},
  WorkingDir: "",
  Entrypoint: null,
  OnBuild: null,
  Labels: {},
  HostConfig: {
    Binds: null,
    ContainerIDFile: "",
    LogConfig: { Type: "", Config: {} },
    NetworkMode: "default",
    PortBindings: {},
    RestartPolicy: { Name: "no", MaximumRetryCount: 0 },
    AutoRemove: false,
    VolumeDriver: "",
    VolumesFrom: null,
    ConsoleSize: [24, 80],
    CapAdd: null,
    CapDrop: null,
    CgroupnsMode: "",
    Dns: [],
    DnsOptions: [],
    DnsSearch: [],
    ExtraHosts: null,
    GroupAdd: null,
    IpcMode: "",
    Cgroup: "",
    Links: null,
    OomScoreAdj: 0,
    PidMode: "",
    Privileged: false,
    PublishAllPorts: false,
    ReadonlyRootfs: false,
    SecurityOpt: null,
    UTSMode: "",
    UsernsMode: "",
    ShmSize: 0,
    Isolation: "",
    CpuShares: 0,
    Memory: 0,
    NanoCpus: 0,
    CgroupParent: "",
    BlkioWeight: 0,
    BlkioWeightDevice: [],
    Devices: [],
    DeviceCgroupRules: null,
    DeviceRequests: null,
    MemoryReservation: 0,
    MemorySwap: 0,
    MemorySwappiness: -1,
    OomKillDisable: false,
    PidsLimit: 0,
    Ulimits: [],
    CpuCount: 0,
    CpuPercent: 0,
    IOMaximumIOps: 0,
    MaskedPaths: null,
    ReadonlyPaths: null,
  },
  NetworkingConfig: { EndpointsConfig: { default: null } },
};

describe("container create", () => {
  test("takes what Docker's command line sends by default", () => {
    expect(refusal(createSchema, DOCKER_CREATE)).toBe("accepted");
  });

  test.each([
    ["RestartPolicy", { Name: "always" }],
    ["DeviceRequests", [{ Driver: "gpu" }]],
    ["PidMode", "container:x"],
    ["SecurityOpt", ["selinux=on"]],
    ["SomethingNew", 1],
  ])("refuses HostConfig.%s as UNSUPPORTED, by name", (field, value) => {
    const body = { ...DOCKER_CREATE, HostConfig: { ...DOCKER_CREATE.HostConfig, [field]: value } };
    expect(refusal(createSchema, body)).toStartWith(`UNSUPPORTED: HostConfig.${field}`);
  });

  test("refuses another container's network, and says what it has", () => {
    const body = { Image: "a", HostConfig: { NetworkMode: "container:web" } };
    expect(refusal(createSchema, body)).toContain("expected none, host or a network");
  });

  test.each([
    [{ Image: "a", Memory: 1 }, "UNSUPPORTED: Memory"],
    [{ Image: "a", Env: ["=x"] }, 'INVALID: Env.0: expected NAME=value, got "=x"'],
    [{ Image: "a", Tty: "yes" }, 'INVALID: Tty: expected boolean, got "yes"'],
    [{ Image: "a", HostConfig: { Memory: -1 } }, "INVALID: HostConfig.Memory: expected at least 0, got -1"],
    [{ Image: "a", HostConfig: { Binds: ["../data:/x"] } }, "INVALID: HostConfig.Binds.0: expected source:target"],
    [{ Image: "a", Rootfs: "/b" }, "INVALID: the body: expected either Image or Rootfs"],
    [{}, "INVALID: the body: expected either Image or Rootfs"],
    [{ Rootfs: "b" }, "INVALID: Rootfs: expected an absolute path"],
    [[], "INVALID: the body: expected object, got []"],
  ])("%j is refused with what came and what was expected", (body, message) => {
    expect(refusal(createSchema, body)).toStartWith(message);
  });

  test("flattens port bindings", () => {
    const HostConfig = { PortBindings: { "80/tcp": [{ HostIp: "127.0.0.1", HostPort: "8080" }, { HostPort: "81" }] } };
    expect(parse(createSchema, { Image: "a", HostConfig }, "").HostConfig?.PortBindings).toEqual([
      { hostAddress: "127.0.0.1", hostPort: 8080, containerPort: 80, protocol: "tcp" },
      { hostAddress: "0.0.0.0", hostPort: 81, containerPort: 80, protocol: "tcp" },
    ]);
    expect(refusal(createSchema, { Image: "a", HostConfig: { PortBindings: { "80/sctp": [] } } })).toContain("80/tcp");
  });
});

describe("query strings", () => {
  test("filters come in Docker's newer and older form", () => {
    const newer = parse(listQuerySchema, { filters: '{"status":["running"]}' }, "");
    const older = parse(listQuerySchema, { filters: '{"status":{"running":true,"exited":false}}' }, "");
    expect(newer.filters).toEqual({ status: ["running"] });
    expect(older.filters).toEqual(newer.filters);
    expect(refusal(listQuerySchema, { filters: '{"stat":["x"]}' })).toContain("unknown field stat");
    expect(refusal(listQuerySchema, { filters: "{" })).toContain("expected JSON");
  });

  test("flags and counts", () => {
    expect(parse(logsQuerySchema, { stdout: "1", tail: "5" }, "")).toMatchObject({
      stdout: true,
      follow: false,
      tail: 5,
    });
    expect(parse(logsQuerySchema, { tail: "all" }, "").tail).toBeUndefined();
    expect(refusal(logsQuerySchema, { follow: "yes" })).toStartWith("INVALID: follow: expected");
    expect(refusal(logsQuerySchema, { tail: "-1" })).toStartWith("INVALID: tail: expected");
  });
});

test("a service needs a port, and its checkpoint's condition what belongs to it", () => {
  const service = { project: "p", name: "n", image: "i" };
  const port = { hostAddress: "127.0.0.1", hostPort: 1, containerPort: 2 };
  expect(refusal(serviceUpSchema, { ...service, ports: [] })).toContain("ports");
  expect(refusal(serviceUpSchema, { ...service, ports: [{ ...port, hostPort: 65_536 }] })).toContain(
    "ports.0.hostPort",
  );
  expect(refusal(serviceUpSchema, { ...service, ports: [port], checkpoint: { when: "healthy" } })).toContain("path");
  expect(refusal(serviceUpSchema, { ...service, ports: [port] })).toBe("accepted");
});
