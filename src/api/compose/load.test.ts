import { describe, expect, test } from "bun:test";
import { ThawError } from "../../common/errors.ts";
import { parseCompose, projectName } from "./load.ts";
import { resolveService, words } from "./resolve.ts";

const WEB = ["services:", "  web:", "    image: hello", '    ports: ["8001:8000"]'];

/** The error for WEB with more lines of the service: "CODE file:line: message | hint". */
function refusal(...more: string[]): string {
  return refusalOf([...WEB, ...more.map((line) => `    ${line}`)].join("\n"));
}

function refusalOf(text: string): string {
  try {
    parseCompose(text, "c.yaml", {});
  } catch (error) {
    if (error instanceof ThawError) return `${error.code} ${error.message} | ${error.hint}`;
    throw error;
  }
  return "accepted";
}

function resolved(text: string) {
  const [service] = parseCompose(text, "c.yaml", { TAG: "v2" }).services;
  if (service === undefined) throw new Error("no service");
  return resolveService(service, "shop", "/srv/shop/compose.yaml");
}

describe("a typo", () => {
  test.each([
    ["imagee: x", "INVALID c.yaml:5: unknown key `imagee` in services.web | Did you mean `image`?"],
    ["x-thwa: { idle: 2s }", "INVALID c.yaml:5: unknown key `x-thwa` in services.web | Did you mean `x-thaw`?"],
    ["enviroment: [A=b]", "INVALID c.yaml:5: unknown key `enviroment` in services.web | Did you mean `environment`?"],
  ])("%s names the line and the nearest key", (line, message) => expect(refusal(line)).toBe(message));

  test("is found inside sections, at its own line", () => {
    expect(refusal("x-thaw:", "  idle: 2s", "  checkpoint:", "    warmups: [/]")).toBe(
      "INVALID c.yaml:8: unknown key `warmups` in services.web.x-thaw.checkpoint | Did you mean `warmup`?",
    );
    expect(refusal("build:", "  contxt: .")).toContain("c.yaml:6: unknown key `contxt`");
    expect(refusalOf("service:\n  web: {}")).toContain("Did you mean `services`?");
  });
});

describe("what thaw does not do yet", () => {
  test.each([
    ["depends_on: [db]", "UNSUPPORTED c.yaml:5: thaw does not do `depends_on` yet | Remove it."],
    ["secrets: [key]", "UNSUPPORTED c.yaml:5: thaw does not do `secrets` yet | Remove it."],
  ])("%s is refused by name", (line, message) => expect(refusal(line)).toBe(message));

  test("at the top and in a build too", () => {
    expect(refusalOf([...WEB, "networks: {}"].join("\n"))).toStartWith(
      "UNSUPPORTED c.yaml:5: thaw does not do `networks`",
    );
    expect(refusal("build: { context: ., target: x }")).toStartWith("UNSUPPORTED c.yaml:5: thaw does not do `target`");
  });

  test("a user namespace is for containers that are not checkpointed", () => {
    expect(refusal("userns_mode: host")).toBe("accepted");
    expect(refusal("userns_mode: auto")).toMatch(/^INVALID c.yaml:5: .*services keep the host's ids/);
  });

  test("extensions of others are let be", () => {
    expect(refusal("x-other: 1")).toBe("accepted");
    expect(refusalOf(["x-common: 1", ...WEB].join("\n"))).toBe("accepted");
  });
});

describe("a bad value", () => {
  test.each([
    [["cpus: lots"], 'c.yaml:5: services.web.cpus: expected a number of CPUs such as 0.5, got "lots"'],
    [["mem_limit: 5x"], 'c.yaml:5: services.web.mem_limit: expected a size such as 512m or 1.5g, got "5x"'],
    [["x-thaw:", "  idle: soon"], "c.yaml:6: services.web.x-thaw.idle: expected a duration such as 500ms"],
    [["x-thaw:", "  checkpoint: someday"], "c.yaml:6: services.web.x-thaw.checkpoint: expected"],
    [["x-thaw:", "  checkpoint: { when: healthy }"], "when: healthy needs a path"],
    [["command: 5"], "c.yaml:5: services.web.command: expected array or string, got 5"],
  ])("%j", (lines, message) => expect(refusal(...lines)).toContain(message));

  test("ports say which of them, on its line", () => {
    const text = ["services:", "  web:", "    image: a", "    ports:", '      - "80:80"', "      - 8000"].join("\n");
    expect(refusalOf(text)).toContain("c.yaml:6: services.web.ports.1: expected [ADDRESS:]HOST-PORT:CONTAINER-PORT");
    const long = [
      "services:",
      "  web:",
      "    image: a",
      "    ports:",
      "      - target: 80",
      "        published: 99999",
    ].join("\n");
    expect(refusalOf(long)).toContain("c.yaml:6: services.web.ports.0.published: expected at most 65535, got 99999");
  });

  test("a service needs something to run and a port", () => {
    expect(refusalOf("services:\n  web:\n    ports: ['1:2']")).toContain(
      "c.yaml:2: services.web: expected image or build",
    );
    expect(refusalOf("services:\n  web:\n    image: a")).toContain("c.yaml:2: services.web: expected ports");
    expect(refusalOf("services: {}")).toContain("expected at least one service");
  });

  test("no YAML", () => {
    expect(refusalOf("services:\n  web: [")).toStartWith("INVALID c.yaml:2:");
    expect(refusalOf("")).toStartWith("INVALID c.yaml:1:");
  });

  test("a variable that is not set", () => {
    expect(refusalOf("services:\n  web:\n    image: a:${NOPE}")).toBe(
      "INVALID c.yaml:3: the variable NOPE is not set | Set the variable, or write $$ for a plain $.",
    );
  });
});

describe("resolving", () => {
  test("everything in it, with defaults", () => {
    const { build, service } = resolved(`
services:
  web:
    build: { context: ./app, dockerfile: D, args: [A=1] }
    image: reg/web:\${TAG}
    command: python3 "a b.py" --x='y z'
    environment: { A: 1, B: "t", C: true }
    ports: ["127.0.0.1:8001:8000", { target: 81, published: 80 }]
    mem_limit: 64m
    cpus: 0.5
    pids_limit: 20
    x-thaw: { idle: 1m30s, checkpoint: { when: { log: "re+ady" }, warmup: ["/?a=1"] } }
`);
    expect(build).toEqual({
      context: "/srv/shop/app",
      dockerfile: "/srv/shop/app/D",
      tag: "reg/web:v2",
      args: { A: "1" },
    });
    expect(service).toEqual({
      project: "shop",
      name: "web",
      image: "reg/web:v2",
      command: ["python3", "a b.py", "--x=y z"],
      env: ["A=1", "B=t", "C=true"],
      ports: [
        { hostAddress: "127.0.0.1", hostPort: 8001, containerPort: 8000 },
        { hostAddress: "0.0.0.0", hostPort: 80, containerPort: 81 },
      ],
      idleMs: 90_000,
      checkpoint: { when: "log", pattern: "re+ady" },
      warmup: ["/?a=1"],
      limits: { memory: 67_108_864, nanoCpus: 500_000_000, pids: 20 },
    });
  });

  test("limits by the service's own keys and by deploy", () => {
    const limits = (keys: string) => resolved(`services: { w: { image: a, ports: ['1:2'], ${keys} } }`).service.limits;
    expect(limits("mem_limit: 64m, memswap_limit: -1, mem_reservation: 32m, cpu_shares: 512, cpuset: '0,1'")).toEqual({
      memory: 64 << 20,
      memorySwap: -1,
      memoryReservation: 32 << 20,
      cpuShares: 512,
      cpusetCpus: "0,1",
    });
    expect(limits("cpu_period: 50ms, cpu_quota: 25000")).toEqual({ cpuPeriod: 50_000, cpuQuota: 25_000 });
    const resources = "{ limits: { cpus: '0.5', memory: 64m, pids: 9 }, reservations: { memory: 8m } }";
    const wanted = { memory: 64 << 20, nanoCpus: 5e8, pids: 9, memoryReservation: 8 << 20 };
    expect(limits(`deploy: { resources: ${resources} }`)).toEqual(wanted);
    expect(limits(`mem_limit: 65536k, deploy: { resources: ${resources} }`)).toEqual(wanted);
    expect(() => limits(`mem_limit: 65m, deploy: { resources: ${resources} }`)).toThrow(
      "services.w: mem_limit and deploy.resources.limits.memory say different things",
    );
    expect(() => limits("deploy: { replicas: 2 }")).toThrow("thaw does not do `replicas` yet");
    expect(() => limits("deploy: { resources: { limits: { cpu: 1 } } }")).toThrow("unknown key `cpu`");
  });

  test("a build without a name is called after project and service", () => {
    expect(resolved("services: { Web: { build: ., ports: ['1:2'] } }").build?.tag).toBe("shop-web");
  });

  test("the short forms of checkpoint", () => {
    const when = (text: string) =>
      resolved(`services: { w: { image: a, ports: ['1:2'], x-thaw: { checkpoint: ${text} } } }`).service.checkpoint;
    expect(when("never")).toEqual({ when: "never" });
    expect(when("ready")).toEqual({ when: "ready" });
    expect(when("{ when: healthy, path: /h }")).toEqual({ when: "healthy", path: "/h" });
  });

  test("the example's file", async () => {
    const path = new URL("../../../examples/flask/compose.yaml", import.meta.url).pathname;
    const compose = parseCompose(await Bun.file(path).text(), path, {});
    expect(projectName(compose, path)).toBe("flask");
    expect(compose.services[0]?.ports).toEqual([{ hostAddress: "127.0.0.1", hostPort: 8001, containerPort: 8000 }]);
  });
});

test("words are taken apart as a shell does", () => {
  expect(words(`a  "b \\"c\\" d" 'e f' g\\ h ''`)).toEqual(["a", 'b "c" d', "e f", "g h", ""]);
});

test("a project is called as asked, as the file says, or as its directory", () => {
  const compose = (name?: string) => ({ name, volumes: {}, services: [] });
  expect(projectName(compose("n"), "/a/b/c.yaml", "asked")).toBe("asked");
  expect(projectName(compose("n"), "/a/b/c.yaml")).toBe("n");
  expect(projectName(compose(), "/a/My App!/c.yaml")).toBe("myapp");
});
