/**
 * The life of a service as one type a state and one function for all transitions. What may not follow is a
 * WRONG_STATE error that names both, so that a bug shows where it is made. The launcher's own reports
 * (`listener`) may be late or lost, since it acts alone: those that say nothing new leave the state as it is.
 *
 *     preparing -> asleep <-> waking -> awake -> stopping -> asleep
 *         |          |          |
 *         +-> failed-+<---------+          (failed: the next connection tries again)
 *     any -> preparing (replaced or its checkpoint is no longer good), any -> removed
 */
import { ThawError } from "../common/errors.ts";
import type { ServiceState, WakePhases } from "./types.ts";

export type Life =
  | { readonly state: "preparing" }
  | { readonly state: "asleep" }
  | { readonly state: "waking" }
  | { readonly state: "awake" }
  | { readonly state: "stopping" }
  | { readonly state: "failed"; readonly error: string }
  | { readonly state: "removed" };

/** What the launcher says about a service's listener. */
export type ListenerReport = "unrouted" | "asleep" | "waking" | "awake" | "stopping";

export type LifeEvent =
  /** It is being started once to make its checkpoint. */
  | { readonly kind: "prepare" }
  /** Its ports are armed. */
  | { readonly kind: "armed" }
  | { readonly kind: "broken"; readonly error: string }
  | { readonly kind: "listener"; readonly report: ListenerReport }
  | { readonly kind: "woke"; readonly wake: WakePhases }
  | { readonly kind: "remove" };

/**
 * The state after `event`.
 * @throws ThawError WRONG_STATE when the event cannot happen in this state.
 */
export function advance(life: Life, event: LifeEvent): Life {
  if (life.state === "removed") throw illegal(life, event);
  switch (event.kind) {
    case "prepare":
      return { state: "preparing" };
    case "armed":
      if (life.state === "preparing" || life.state === "failed") return { state: "asleep" };
      throw illegal(life, event);
    case "broken":
      return { state: "failed", error: event.error };
    case "remove":
      return { state: "removed" };
    case "listener":
      return afterReport(life, event.report);
    case "woke":
      return afterWake(life, event.wake);
  }
}

/** While a service is being prepared its old listeners may still report; they decide nothing then. */
function afterReport(life: Life, report: ListenerReport): Life {
  if (life.state === "preparing" || report === "unrouted") return life;
  // A wake-up that failed ends with the listener asleep; why it failed stays visible until the next try.
  if (life.state === "failed" && report === "asleep") return life;
  return report === life.state ? life : { state: report };
}

function afterWake(life: Life, wake: WakePhases): Life {
  if (life.state === "preparing") return life;
  if (wake.result !== "failed") return { state: "awake" };
  return { state: "failed", error: wake.detail || "it could not be woken" };
}

function illegal(life: Life, event: LifeEvent): ThawError {
  const allowed: Record<ServiceState, string> = {
    preparing: "armed, broken, remove",
    asleep: "prepare, listener, woke, broken, remove",
    waking: "prepare, listener, woke, broken, remove",
    awake: "prepare, listener, woke, broken, remove",
    stopping: "prepare, listener, woke, broken, remove",
    failed: "prepare, armed, listener, woke, broken, remove",
    removed: "nothing",
  };
  return new ThawError(
    "WRONG_STATE",
    `a service that is ${life.state} expects ${allowed[life.state]}, got ${event.kind}`,
  );
}
