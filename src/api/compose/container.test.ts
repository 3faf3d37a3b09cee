import { describe, expect, test } from "bun:test";
import { ThawError } from "../../common/errors.ts";
import { serviceUpSchema } from "../thaw.ts";
import { parse } from "../validate.ts";
import { parseCompose } from "./load.ts";
import { resolveService } from "./resolve.ts";

/** A service with those lines; `top` is what stands beside `services`. */
function compose(lines: readonly string[], top: readonly string[] = []) {
  const service = ["services:", "  web:", "    image: hello", '    ports: ["8001:8000"]'];
  return parseCompose([...service, ...lines.map((line) => `    ${line}`), ...top].join("\n"), "c.yaml", {});
}

function container(lines: readonly string[], top: readonly string[] = []) {
  const file = compose(lines, top);
  const [web] = file.services;
  if (web === undefined) throw new Error("no service");
  const { service } = resolveService(web, "shop", "/srv/shop/compose.yaml", file.volumes);
  // What the daemon says of it has to be nothing.
  parse(serviceUpSchema, service, "the service");
  return service.container;
}

function refusal(lines: readonly string[], top: readonly string[] = []): string {
  try {
    compose(lines, top);
  } catch (error) {
    if (error instanceof ThawError) return error.message;
    throw error;
  }
  return "accepted";
}

test("a service that asks for nothing has nothing", () => expect(container([])).toBeUndefined());

test("isolation keys become the API's fields", () => {
  const lines = [
    "user: 1000",
    "working_dir: /app",
    "hostname: box",
    "domainname: example.org",
    "init: false",
    "read_only: true",
    "cap_add: [NET_ADMIN]",
    "cap_drop: [all]",
    'security_opt: ["no-new-privileges:true"]',
    "group_add: [5, disk]",
    'devices: ["/dev/fuse", "/dev/a:/dev/b:r", { source: /dev/c }]',
    "shm_size: 1m",
    "dns: 192.0.2.1",
    "dns_search: [example.org]",
    "dns_opt: [rotate]",
    "extra_hosts: { db: 10.0.0.1 }",
    "ulimits: { nofile: { soft: 1, hard: 2 }, core: -1 }",
    "sysctls: [net.core.somaxconn=5]",
    "oom_score_adj: 7",
    "uts: host",
    "tmpfs: /run:size=1m",
  ];
  expect(container(lines)).toEqual({
    User: "1000",
    WorkingDir: "/app",
    Hostname: "box",
    Domainname: "example.org",
    HostConfig: {
      Init: false,
      ReadonlyRootfs: true,
      CapAdd: ["NET_ADMIN"],
      CapDrop: ["all"],
      SecurityOpt: ["no-new-privileges:true"],
      GroupAdd: ["5", "disk"],
      Devices: [
        { PathOnHost: "/dev/fuse", PathInContainer: "/dev/fuse", CgroupPermissions: "rwm" },
        { PathOnHost: "/dev/a", PathInContainer: "/dev/b", CgroupPermissions: "r" },
        { PathOnHost: "/dev/c", PathInContainer: "/dev/c", CgroupPermissions: "rwm" },
      ],
      ShmSize: 1_048_576,
      Dns: ["192.0.2.1"],
      DnsSearch: ["example.org"],
      DnsOptions: ["rotate"],
      ExtraHosts: ["db:10.0.0.1"],
      Ulimits: [
        { Name: "nofile", Soft: 1, Hard: 2 },
        { Name: "core", Soft: -1, Hard: -1 },
      ],
      Sysctls: { "net.core.somaxconn": "5" },
      OomScoreAdj: 7,
      UTSMode: "host",
      Tmpfs: { "/run": "size=1m" },
    },
  });
});

test("volumes belong to the project, paths to the file, nameless ones to the service", () => {
  const lines = [
    "volumes:",
    "  - ./conf:/etc/conf:ro",
    "  - data:/data",
    "  - /anon",
    "  - { type: volume, source: other, target: /other, volume: { nocopy: true } }",
    "  - { type: bind, source: sub, target: /sub, read_only: true, bind: { propagation: rslave } }",
    "  - { type: tmpfs, target: /t, tmpfs: { size: 1m, mode: 448 } }",
  ];
  expect(container(lines, ["volumes:", "  data:", "  other: { name: real }"])?.HostConfig).toEqual({
    Binds: ["/srv/shop/conf:/etc/conf:ro", "shop_data:/data"],
    Mounts: [
      { Type: "volume", Source: "shop_web_anon", Target: "/anon" },
      { Type: "volume", Source: "real", Target: "/other", ReadOnly: false, VolumeOptions: { NoCopy: true } },
      { Type: "bind", Source: "/srv/shop/sub", Target: "/sub", ReadOnly: true, BindOptions: { Propagation: "rslave" } },
      { Type: "tmpfs", Target: "/t", ReadOnly: false, TmpfsOptions: { SizeBytes: 1_048_576, Mode: 448 } },
    ],
  });
  expect(container(["volumes: [e:/x]"], ["volumes: { e: { external: true } }"])?.HostConfig?.Binds).toEqual(["e:/x"]);
});

describe("a mistake is told with its line", () => {
  test.each([
    [["cap_add: [FLY]"], "c.yaml:5: services.web.cap_add.0: expected a capability such as NET_ADMIN, or ALL"],
    [["sysctls: { a: 1 }"], "c.yaml:5: services.web.sysctls.a"],
    [["ulimits: { files: 1 }"], "c.yaml:5: services.web.ulimits"],
    [["extra_hosts: [db]"], "c.yaml:5: services.web.extra_hosts.0: expected NAME:ADDRESS"],
    [["devices: [fuse]"], "c.yaml:5: services.web.devices.0: expected HOST[:CONTAINER[:rwm]]"],
    [["tmpfs: [/x:colour=red]"], "c.yaml:5: services.web.tmpfs.0: expected options such as size=64m"],
    [["ipc: service:db"], "c.yaml:5: services.web.ipc: thaw does not share namespaces"],
    [["volumes: [data:/x]"], "c.yaml:5: services.web.volumes.0: the file has no volume data"],
    [["volumes: [data]"], "c.yaml:5: services.web.volumes.0: expected SOURCE:TARGET"],
    [["volumes:", "  - { type: bind, target: /x, colour: red }"], "c.yaml:6: unknown key `colour`"],
    [["working_dir: app"], "c.yaml:5: services.web.working_dir: expected an absolute path"],
  ])("%j", (lines, message) => expect(refusal(lines)).toContain(message));
});
