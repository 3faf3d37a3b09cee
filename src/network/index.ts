/** Networks: bridges, addresses, names, published ports. types.ts has the words. */
export type { Joined, JoinRequest, NetworksParts } from "./join.ts";
export { Networks } from "./manager.ts";
export type { PublishOps } from "./published.ts";
export * from "./types.ts";
