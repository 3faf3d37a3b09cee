import { describe, expect, test } from "bun:test";
import { createSchema } from "../api/containers.ts";
import { parse } from "../api/validate.ts";
import { commandLine, containerSpec, environment, rootfsDefaults } from "./spec.ts";

const image = { entrypoint: ["/entry", "-x"], command: ["serve"] };

describe("the command line, as Docker combines it", () => {
  test.each([
    [undefined, undefined, ["/entry", "-x", "serve"]],
    [undefined, ["other"], ["/entry", "-x", "other"]],
    [["/mine"], undefined, ["/mine"]],
    [["/mine"], ["a"], ["/mine", "a"]],
    [[""], ["a"], ["a"]],
    [null, [], ["/entry", "-x", "serve"]],
  ])("entrypoint %j, command %j", (entrypoint, command, argv) => {
    expect(commandLine(image, entrypoint, command)).toEqual(argv);
  });

  test("nothing to run is refused", () => {
    expect(() => commandLine({ entrypoint: [], command: [] }, undefined, undefined)).toThrow("no command");
    expect(() => commandLine(image, [""], undefined)).toThrow("no command");
  });
});

test("a later variable wins, a name alone takes it away", () => {
  expect(environment(["A=1", "B=2", "C=3"], ["B=x=y", "C", "D="])).toEqual(["A=1", "B=x=y", "D="]);
});

test("the image's defaults fill in what the request leaves out", () => {
  const defaults = {
    ...rootfsDefaults(["/l"]),
    cwd: "/app",
    user: "web",
    env: ["A=1"],
    command: ["x"],
    labels: { a: "1" },
  };
  const spec = containerSpec(
    parse(createSchema, { Image: "i", WorkingDir: "", Labels: { b: "2" } }, ""),
    undefined,
    defaults,
  );
  expect(spec).toMatchObject({ name: "", cwd: "/app", user: "web", argv: ["x"], labels: { a: "1", b: "2" } });
  expect(spec.network.attachments.map(({ network }) => network)).toEqual(["bridge"]);
  expect(spec).toMatchObject({ init: true, autoRemove: false, limits: { memory: undefined } });
});

test("limits: nothing is the default, -1 is none", () => {
  const pids = (PidsLimit: number | null) =>
    containerSpec(parse(createSchema, { Image: "i", Cmd: "x", HostConfig: { PidsLimit } }, ""), "n", rootfsDefaults([]))
      .limits.pids;
  expect([pids(null), pids(0), pids(7)]).toEqual([undefined, undefined, 7]);
  expect(pids(-1)).toBeGreaterThan(1_000_000);
});

test("ports cannot be published from the host's network", () => {
  const HostConfig = { NetworkMode: "host", PortBindings: { "80/tcp": [{ HostPort: "80" }] } };
  const request = parse(createSchema, { Image: "i", Cmd: "x", HostConfig }, "");
  expect(() => containerSpec(request, "n", rootfsDefaults([]))).toThrow("host's own network");
});

test("a user namespace is what `auto` asks for", () => {
  const userns = (UsernsMode: string | undefined) =>
    containerSpec(
      parse(createSchema, { Image: "i", Cmd: "x", HostConfig: { UsernsMode } }, ""),
      "n",
      rootfsDefaults([]),
    ).userns;
  expect([userns(undefined), userns(""), userns("host")]).toEqual([undefined, undefined, undefined]);
  expect(userns("auto")).toEqual({ ids: undefined });
  expect(() => userns("keep-id")).toThrow("HostConfig.UsernsMode");
});
