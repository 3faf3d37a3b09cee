import { describe, expect, test } from "bun:test";
import { checkSpec, serviceId, specDigest } from "./spec.ts";
import type { ServiceSpec } from "./types.ts";

const spec: ServiceSpec = {
  project: "shop",
  name: "web",
  image: "shop-web",
  argv: undefined,
  env: ["A=1"],
  ports: [{ hostAddress: "127.0.0.1", hostPort: 8080, containerPort: 80 }],
  idleMs: 1000,
  readyTimeoutMs: 5000,
  checkpoint: { when: "ready" },
  warmup: [],
  limits: { memory: undefined, nanoCpus: undefined, pids: undefined },
};
const invalid = expect.objectContaining({ code: "INVALID" });

describe("serviceId", () => {
  test("joins project and name, once when they are the same word", () => {
    expect(serviceId(spec)).toBe("shop-web");
    expect(serviceId({ project: "web", name: "web" })).toBe("web");
  });
});

describe("specDigest", () => {
  test("is of the content, not of the order of fields", () => {
    const reversed = Object.fromEntries(Object.entries(spec).reverse());
    expect(specDigest({ ...spec, ...reversed }, "sha256:1")).toBe(specDigest(spec, "sha256:1"));
  });

  test("changes with the image and with every field", () => {
    const digests = [
      specDigest(spec, "sha256:1"),
      specDigest(spec, "sha256:2"),
      specDigest({ ...spec, env: ["A=2"] }, "sha256:1"),
      specDigest({ ...spec, checkpoint: { when: "healthy", path: "/" } }, "sha256:1"),
      specDigest({ ...spec, limits: { ...spec.limits, memory: 1 } }, "sha256:1"),
    ];
    expect(new Set(digests).size).toBe(digests.length);
  });
});

describe("checkSpec", () => {
  test("accepts a good one", () => {
    expect(() => checkSpec(spec)).not.toThrow();
  });

  test("refuses what could not work, with the reason", () => {
    const [port] = spec.ports;
    if (!port) throw new Error("the spec above has a port");
    expect(() => checkSpec({ ...spec, ports: [] })).toThrow("no ports");
    expect(() => checkSpec({ ...spec, ports: [port, { ...port, containerPort: 81 }] })).toThrow("127.0.0.1:8080 twice");
    expect(() => checkSpec({ ...spec, name: "a/b" })).toThrow(invalid);
    expect(() => checkSpec({ ...spec, name: "x".repeat(60) })).toThrow(invalid);
    expect(() => checkSpec({ ...spec, checkpoint: { when: "log", pattern: "(" } })).toThrow("regular expression");
  });
});
