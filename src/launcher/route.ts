/** What routes have in common that only lead to a container that runs, and wake nothing. */
import type { RouteMessage } from "./generated/protocol.ts";

type Waking = "idleMs" | "wakeMs" | "ahead" | "wake" | "second" | "fallback" | "cleanup";

export const WAKES_NOTHING: Pick<RouteMessage, Waking> = {
  idleMs: 0,
  wakeMs: 0,
  ahead: 0,
  wake: [],
  second: [],
  fallback: [],
  cleanup: [],
};
