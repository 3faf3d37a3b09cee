/** Places in networks whose sandboxes were made ahead and wait to be taken. */
import type { Endpoint } from "./types.ts";

interface Offer {
  readonly endpoint: Endpoint;
  /** Of the sandbox, without its wiring. */
  readonly shape: string;
}

/** By owner. */
export class Offers {
  readonly #offers = new Map<string, Offer>();

  add(endpoint: Endpoint, shape: string): void {
    this.#offers.set(endpoint.owner, { endpoint, shape });
  }

  /** Missing is fine. */
  remove(owner: string): void {
    this.#offers.delete(owner);
  }

  /** One of that shape in that network, which is offered no longer then. */
  take(networkId: string, shape: string): Endpoint | undefined {
    for (const [owner, offer] of this.#offers) {
      if (offer.endpoint.networkId !== networkId || offer.shape !== shape) continue;
      this.#offers.delete(owner);
      return offer.endpoint;
    }
    return undefined;
  }
}
