/**
 * Docker's three ways to wait for a container, over the manager's events.
 */
import { ThawError } from "../common/errors.ts";
import type { Container, ContainerManager } from "../container/types.ts";

export type WaitCondition = "not-running" | "next-exit" | "removed";

/** Called with the id of each container that was removed by a call. Returns the way to stop it. */
export type OnRemoved = (listener: (id: string) => void) => () => void;

/**
 * Resolves with the container as it was when the condition came true. Not async: it listens before it returns, so
 * a start that follows cannot be missed.
 * @throws ThawError CONTAINER_NOT_FOUND, CANCELLED when `signal` aborts.
 */
export function waitFor(
  containers: ContainerManager,
  onRemoved: OnRemoved,
  idOrName: string,
  condition: WaitCondition,
  signal: AbortSignal,
): Promise<Container> {
  const container = containers.get(idOrName);
  switch (condition) {
    case "not-running":
      return container.state === "running" ? containers.wait(container.id, signal) : Promise.resolve(container);
    case "next-exit":
      return nextExit(containers, container, signal);
    case "removed":
      return removal(containers, onRemoved, container, signal);
  }
}

function nextExit(containers: ContainerManager, container: Container, signal: AbortSignal): Promise<Container> {
  if (container.state === "created" || container.state === "running") return containers.wait(container.id, signal);
  return until(signal, (resolve) =>
    containers.onChange((change) => {
      if (change.id === container.id && change.state === "running") resolve(containers.wait(change.id, signal));
    }),
  );
}

async function removal(
  containers: ContainerManager,
  onRemoved: OnRemoved,
  container: Container,
  signal: AbortSignal,
): Promise<Container> {
  const { id } = container;
  const gone = until<string>(signal, (resolve) => onRemoved((removed) => removed === id && resolve(removed)));
  gone.catch(() => undefined);
  const ended = await containers.wait(id, signal);
  // One that removes itself does so right after its end, before anybody else runs.
  const isThere = containers.list({ all: true }).some((other) => other.id === id);
  if (isThere) await gone;
  return ended;
}

/** A promise of what a listener finds; the listener is taken away afterwards. */
function until<T>(signal: AbortSignal, listen: (resolve: (value: T | Promise<T>) => void) => () => void): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const stop = listen(resolve);
  const cancel = () => reject(new ThawError("CANCELLED", "the client went away"));
  signal.addEventListener("abort", cancel, { once: true });
  return promise.finally(() => {
    stop();
    signal.removeEventListener("abort", cancel);
  });
}
