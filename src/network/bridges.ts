/**
 * Which networks are up: their bridges, the table's sets, forwarding. Networks come up when they are made or first
 * used and go down when they are removed or the daemon is stopped. Changes wait for each other; a start only looks
 * whether its bridge is there.
 */
import { readFileSync } from "node:fs";
import { ThawError } from "../common/errors.ts";
import type { HostNetworks } from "./host.ts";
import { elementText } from "./published.ts";
import type { NetworkStore } from "./store.ts";
import { DEFAULT_NETWORK, type Network } from "./types.ts";
import { onHost, portOn } from "./wiring.ts";

const ENODEV = 19;

/** Brings networks up and down. */
export class Bridges {
  readonly #host: HostNetworks;
  readonly #store: NetworkStore;
  readonly #holds: (owner: string) => boolean;
  /** Ids of networks that the table knows in this run of the daemon. */
  readonly #up = new Set<string>();
  #tableMade = false;
  #closed = false;
  #last: Promise<unknown> = Promise.resolve();

  /** @param holds  whether an owner of endpoints has its published ports by now. */
  constructor(host: HostNetworks, store: NetworkStore, holds: (owner: string) => boolean) {
    this.#host = host;
    this.#store = store;
    this.#holds = holds;
  }

  /** Resolves with the number of a network's bridge, which is there then. @throws ThawError DEPENDENCY_MISSING, UNSUPPORTED_MACHINE. */
  async up(network: Network): Promise<number> {
    const index = this.#up.has(network.id) ? bridgeIndex(network) : undefined;
    return index ?? this.#inTurn(() => this.#bringUp([network]).then(() => bridgeIndex(network) ?? 0));
  }

  /** Takes a network's bridge and its place in the table away. */
  async down(network: Network): Promise<void> {
    await this.#inTurn(async () => {
      this.#up.delete(network.id);
      await this.#host.removeBridge(network.bridge);
      if (this.#tableMade) await this.#host.updateTable(this.#networksUp());
    });
  }

  /** Makes the kernel agree with the store: what is in use is up, what belongs to nobody is gone. */
  async reconcile(): Promise<void> {
    await this.#inTurn(async () => {
      const networks = this.#store.networks();
      const known = new Set(networks.map(({ bridge }) => bridge));
      const there = new Set(this.#host.bridges());
      for (const bridge of there) if (!known.has(bridge)) await this.#host.removeBridge(bridge);
      const used = new Set(this.#store.endpoints().map(({ networkId }) => networkId));
      const wanted = networks.filter(
        ({ id, name, bridge }) => name !== DEFAULT_NETWORK || used.has(id) || there.has(bridge),
      );
      this.#tableMade = false;
      if (wanted.length > 0) await this.#bringUp(wanted);
      else if (this.#store.fact("table")) await this.#removeTable();
    });
  }

  /** Takes down everything: nobody uses a network any more. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#inTurn(async () => {
      this.#up.clear();
      await this.#host.removeInterfaces();
      if (this.#store.fact("table")) await this.#removeTable();
    });
  }

  async #bringUp(networks: readonly Network[]): Promise<void> {
    if (this.#closed) throw new ThawError("WRONG_STATE", "the daemon is being stopped, and its networks with it");
    for (const network of networks) {
      const isMissing = bridgeIndex(network) === undefined;
      const index = await this.#host.makeBridge(network);
      if (isMissing) await this.#joinAgain(network, index);
      this.#up.add(network.id);
    }
    const outward = networks.filter(({ internal }) => !internal);
    const guarded = this.#store.fact("guard");
    const isFirst =
      outward.length > 0 && (await this.#host.allowForwarding(outward.some(({ subnet6 }) => subnet6))) && !guarded;
    if (isFirst) this.#store.setFact("guard", true);
    if (!this.#tableMade || isFirst) await this.#makeTable();
    await this.#host.updateTable(this.#networksUp());
  }

  /**
   * A table that is there with the right rules is kept: containers that end at this moment take their ports out of it
   * by themselves. First it is read what it has and then what it should have: what is new is in the store before.
   */
  async #makeTable(): Promise<void> {
    const guard = this.#store.fact("guard");
    const keys = this.#store.fact("table") ? await this.#host.publishedKeys(guard) : undefined;
    if (keys === undefined) {
      this.#store.setFact("table", true);
      await this.#host.replaceTable(this.#networksUp(), this.#published(), guard);
    } else {
      const wanted = new Set(this.#published().map((element) => element.replace(/ : .*\}/, " }")));
      await this.#host.withdraw(keys.filter((key) => !wanted.has(key)));
    }
    this.#tableMade = true;
  }

  /** Somebody took the bridge away while containers were on it. */
  async #joinAgain({ id, bridge }: Network, index: number): Promise<void> {
    const ends = this.#store.endpoints().filter(({ networkId }) => networkId === id);
    if (ends.length === 0) return;
    const joins = ends.flatMap(({ veth }) => portOn(index, veth));
    await this.#host.run(onHost(joins, ENODEV), `putting containers on the bridge ${bridge} again`, "");
  }

  async #removeTable(): Promise<void> {
    await this.#host.removeTable();
    this.#tableMade = false;
    if (this.#store.fact("guard")) await this.#host.forbidForwarding();
    this.#store.setFact("guard", false);
    this.#store.setFact("table", false);
  }

  /** Without those whose start is not that far: it may fail, and nobody would take its ports out again. */
  #published(): string[] {
    const holding = this.#store.endpoints().filter(({ owner }) => this.#holds(owner));
    return holding.flatMap((end) => end.ports.flatMap((port) => elementText(port, end)));
  }

  #networksUp(): Network[] {
    return this.#store.networks().filter(({ id }) => this.#up.has(id));
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const next = this.#last.then(work);
    this.#last = next.catch(() => {});
    return next;
  }
}

/** Interface number of a network's bridge; undefined when it is not there. */
export function bridgeIndex({ bridge }: Network): number | undefined {
  try {
    return Number(readFileSync(`/sys/class/net/${bridge}/ifindex`, "utf8"));
  } catch {
    return undefined;
  }
}
