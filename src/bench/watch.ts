/** Waiting for what a service does. The benchmarks look every few milliseconds; the daemon itself never does. */
import type { ApiClient } from "../api/client.ts";
import type { ServiceAnswer } from "../api/thaw.ts";
import { ThawError } from "../common/errors.ts";

const EVERY_MS = 10;
const LIMIT_MS = 60_000;

/** Resolves with the service as soon as `is` holds of it. @throws ThawError TIMEOUT after a minute. */
export async function waitForService(
  client: ApiClient,
  id: string,
  is: (service: ServiceAnswer) => boolean,
): Promise<ServiceAnswer> {
  const until = performance.now() + LIMIT_MS;
  for (;;) {
    const service = await client.json<ServiceAnswer>("serviceInspect", { params: { id } });
    if (is(service)) return service;
    if (performance.now() > until) {
      throw new ThawError("TIMEOUT", `${id} is ${service.state} for a minute: ${service.error}`, {
        hint: "See daemon.log in the run directory.",
      });
    }
    await Bun.sleep(EVERY_MS);
  }
}
