import { expect, test } from "bun:test";
import { ROUTES, type RouteName, routeAddress, routeMatcher } from "./routes.ts";

const match = routeMatcher();

test("every route's own address leads back to it, with and without a version", () => {
  const params = { id: "a%/b", name: "host:5000/x/y:1 2", project: "p" };
  for (const name of Object.keys(ROUTES)) {
    // Object.keys forgets that they are route names.
    const { method, path } = routeAddress(name as RouteName, params);
    expect(match(method, path)?.name).toBe(name as RouteName);
    expect(match(method, `/v1.43${path}`)?.name).toBe(name as RouteName);
  }
});

test("parameters survive escaping; only image names have slashes", () => {
  const { path } = routeAddress("imageInspect", { name: "host:5000/x/y z" });
  expect(match("GET", path)?.params).toEqual({ name: "host:5000/x/y z" });
  expect(match("GET", "/containers/a/b/json")).toBeUndefined();
  expect(match("GET", "/containers/%zz/json")?.params).toEqual({ id: "%zz" });
});

test("another method or path is no route", () => {
  expect(match("PUT", "/containers/json")).toBeUndefined();
  expect(match("GET", "/v2/containers/json")).toBeUndefined();
  expect(match("GET", "/containers/json/x")).toBeUndefined();
});

test("undefined query values are left out", () => {
  expect(routeAddress("containerList", {}, { all: true, limit: undefined }).path).toBe("/containers/json?all=true");
});
