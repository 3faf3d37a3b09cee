/**
 * The states of containers, driven by the launcher's events:
 *
 *     created --started--> running --exited--> exited --started--> ...
 *         \------------------failed------------^
 *
 * A row is written before its launcher record is dropped, so that an exit code is in one of the two at any time. When
 * the row cannot be written (a full disk) the record stays, and the next `reconcile` writes it.
 */
import { ThawError } from "../common/errors.ts";
import type { FailedMessage, LauncherEvent, RunMessage, StartedMessage } from "../launcher/generated/protocol.ts";
import { type LauncherClient, Listeners, unreachable } from "../launcher/index.ts";
import { exitedOutcome, failureText, milliseconds, type Outcome, type StartFailure } from "./outcome.ts";
import { isContainerId } from "./place.ts";
import type { PublishedPorts } from "./ports.ts";
import type { ContainerStore } from "./store.ts";
import type { Container } from "./types.ts";
import { Waits } from "./waits.ts";

interface Starting {
  /** The launcher has the plan: from here on its events and records tell the end. */
  accepted: boolean;
  /** Resolves with the container as it was when it began to run; by now it may have ended. */
  readonly done: PromiseWithResolvers<Container>;
  readonly describe: (event: FailedMessage) => StartFailure;
}

export interface LifecycleParts {
  readonly store: ContainerStore;
  readonly launcher: LauncherClient;
  readonly ports: PublishedPorts;
  /** Gives back the places in networks of one that has ended. */
  readonly leave: (id: string) => void;
  /** Removes a container that shall not outlive its exit. */
  readonly discard: (container: Container) => void;
}

/** Runs plans as containers and follows what becomes of them. */
export class Lifecycle {
  readonly changes = new Listeners<Container>();
  readonly #parts: LifecycleParts;
  readonly #waits = new Waits();
  readonly #starting = new Map<string, Starting>();
  readonly #finishing = new Map<string, Promise<void>>();
  /** Ended ones whose ports are not closed yet: nobody was told. */
  readonly #untold = new Set<string>();
  /** Ended ones whose rows could not be written: their records are still with the launcher. */
  readonly #unrecorded = new Set<string>();

  constructor(parts: LifecycleParts) {
    this.#parts = parts;
  }

  /** Whether a start of it is under way; `accepted`: only when the launcher has its plan. */
  isStarting(id: string, accepted = false): boolean {
    const starting = this.#starting.get(id);
    return starting !== undefined && (!accepted || starting.accepted);
  }

  /** Stands for the start of it that the launcher has taken, if there is one under way: another start is another object. */
  acceptedStart(id: string): object | undefined {
    const starting = this.#starting.get(id);
    return starting?.accepted ? starting : undefined;
  }

  /**
   * Runs a plan as the container. Resolves when all of it ran.
   * @throws what `describe` says of a plan that failed, PORT_IN_USE, LAUNCHER_FAILED, WRONG_STATE.
   */
  async begin(
    container: Container,
    run: RunMessage,
    describe: (event: FailedMessage) => StartFailure,
  ): Promise<Container> {
    const { id } = container;
    if (this.isStarting(id)) throw new ThawError("WRONG_STATE", `${container.spec.name} is being started already`);
    await this.#finishing.get(id);
    const starting: Starting = { accepted: false, done: Promise.withResolvers(), describe };
    starting.done.promise.catch(() => {});
    this.#starting.set(id, starting);
    const { ports, launcher } = this.#parts;
    try {
      if (this.#unrecorded.has(id)) await this.dropRecord(container);
      await ports.listen(container);
      await launcher.request(run);
      starting.accepted = true;
      const running = await starting.done.promise;
      await this.#publish(running);
      return running;
    } catch (error) {
      await ports.withdraw(container);
      throw error;
    } finally {
      this.#starting.delete(id);
    }
  }

  /** A container that has ended meanwhile has no ports, and that is no error. */
  async #publish(container: Container): Promise<void> {
    const { ports, store, launcher } = this.#parts;
    try {
      await ports.route(container);
    } catch (error) {
      if (store.find(container.id)?.state !== "running") return;
      await launcher.request({ kind: "kill", id: container.id });
      throw error;
    }
  }

  /** Resolves when what its end brings with it is done. */
  async finishing(id: string): Promise<void> {
    await this.#finishing.get(id);
  }

  /** It was removed: those who still wait for its end are told. */
  removed(container: Container): void {
    this.#waits.settle({ ...container, state: container.state === "exited" ? "exited" : "dead" });
  }

  /** Resolves with the container when it has ended and nothing of its sandbox is left. @throws ThawError CANCELLED. */
  ended(container: Container, signal?: AbortSignal): Promise<Container> {
    const over = container.state === "exited" || container.state === "dead";
    if (over && !this.#untold.has(container.id) && !this.isStarting(container.id)) return Promise.resolve(container);
    return this.#waits.next(container.id, signal);
  }

  /** Takes an event of the launcher. */
  handle(event: LauncherEvent): void {
    if (event.kind !== "started" && event.kind !== "failed" && event.kind !== "exited") return;
    const container = this.#parts.store.find(event.id);
    if (!container) this.#strangerDid(event);
    else if (event.kind === "started") this.started(container, event);
    else if (event.kind === "failed") this.failed(container, event);
    else this.finish(container, exitedOutcome(event));
  }

  /** One that has no row was killed as nobody's (`reconcile`), and nobody else drops its record. */
  #strangerDid({ kind, id }: LauncherEvent & { readonly id: string }): void {
    if (kind !== "started" && isContainerId(id)) this.#parts.launcher.request({ kind: "forget", id }).catch(() => {});
  }

  /** It runs, by an event or by the launcher's record. */
  started(container: Container, { pid, atNs }: Pick<StartedMessage, "pid" | "atNs">): void {
    const times = { startedAt: milliseconds(atNs), finishedAt: 0 };
    const running: Container = {
      ...container,
      ...times,
      state: "running",
      pid,
      exitCode: 0,
      oomKilled: false,
      error: "",
    };
    // After a crash the launcher's record tells it again, so the row may follow when the caller has its answer.
    this.#parts.store.updateSoon(running);
    this.changes.emit(running);
    this.#starting.get(container.id)?.done.resolve(running);
  }

  /** Its plan failed, and all of it is undone. */
  failed(container: Container, event: FailedMessage): void {
    const starting = this.#starting.get(container.id);
    const failure = starting?.describe(event);
    const error = failure?.error.message ?? failureText(event);
    this.finish(container, { exitCode: failure?.exitCode ?? 125, oomKilled: false, error, finishedAt: Date.now() });
    if (failure) starting?.done.reject(failure.error);
  }

  /** The launcher that had it is gone, and it with the launcher. */
  lost(container: Container): void {
    const error = "the launcher died, and the container with it";
    this.finish(container, { exitCode: 137, oomKilled: false, error, finishedAt: Date.now() });
    this.#starting.get(container.id)?.done.reject(unreachable("it died during the start"));
  }

  /** It has ended. Those who wait are told when its ports are closed and the launcher was told to drop its record. */
  finish(container: Container, outcome: Outcome): void {
    const ended: Container = { ...container, ...outcome, state: "exited", pid: 0, paused: false };
    const brief = ended.spec.autoRemove && ended.service === undefined;
    // One that removes itself needs no row of its end: after a crash it is removed, whatever its row says.
    const recorded = this.#change(ended, brief);
    this.#untold.add(ended.id);
    const finishing = this.#tidy(ended, recorded, brief).finally(() => this.#finishing.delete(ended.id));
    this.#finishing.set(ended.id, finishing);
  }

  async #tidy(container: Container, recorded: boolean, brief: boolean): Promise<void> {
    const { id, service } = container;
    this.#parts.leave(id);
    await this.#parts.ports.withdraw(container);
    if (!recorded) this.#unrecorded.add(id);
    // The records of service instances belong to the routes that start them again.
    const forget = recorded && service === undefined;
    // Sent before those who wait are told, so that what they ask of the launcher comes after it.
    const forgotten = forget ? this.#parts.launcher.request({ kind: "forget", id }).catch(() => {}) : undefined;
    this.#untold.delete(id);
    this.#waits.settle(container);
    if (brief) this.#parts.discard(container);
    await forgotten;
  }

  /** Writes the row of an ended container, and drops the launcher's record of it. @throws ThawError NO_SPACE. */
  async dropRecord(container: Container): Promise<void> {
    this.#parts.store.update(container);
    await this.#parts.launcher.request({ kind: "forget", id: container.id });
    this.#unrecorded.delete(container.id);
  }

  /** Keeps a change that is none of its state, and tells of it. False when the row could not be written. */
  record(container: Container): boolean {
    return this.#change(container, false);
  }

  #change(container: Container, inMemoryOnly: boolean): boolean {
    let recorded = true;
    try {
      if (inMemoryOnly) this.#parts.store.note(container);
      else this.#parts.store.update(container);
    } catch (error) {
      recorded = false;
      console.error("thaw:", error instanceof Error ? error.message : error);
    }
    this.changes.emit(container);
    return recorded;
  }
}
