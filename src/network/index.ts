/** Networks: bridges, addresses, names, published ports. types.ts has the words. */
export type { Joined, JoinRequest } from "./join.ts";
export { Networks, type NetworksParts } from "./manager.ts";
export type { PublishOps } from "./published.ts";
export * from "./types.ts";
