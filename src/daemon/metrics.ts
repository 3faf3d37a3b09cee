/** What services have done and hold, in the text format of Prometheus. Counted where it happens; here only said. */
import type { Registry } from "prom-client";
import type { Service } from "../service/types.ts";

/** What of it is asked for. */
type Counted = Pick<
  Service,
  "id" | "state" | "engine" | "tier" | "wakes" | "fallbacks" | "reasons" | "memoryBytes" | "lastWake"
>;

/** @returns the text and its content type. */
export async function metricsOf(services: readonly Counted[]): Promise<{ text: string; contentType: string }> {
  // Only who is scraped needs the library.
  const { Counter, Gauge, Registry } = await import("prom-client");
  const registry: Registry = new Registry();
  const common = { registers: [registry] };
  const counter = (name: string, help: string) => new Counter({ ...common, name, help, labelNames: ["service"] });
  const gauge = (name: string, help: string, ...more: string[]) =>
    new Gauge({ ...common, name, help, labelNames: ["service", ...more] });
  const wakes = counter("thaw_service_wakes_total", "Wake-ups.");
  const fallbacks = counter(
    "thaw_service_fallbacks_total",
    "Wake-ups in which the first plan failed and another served, or none did.",
  );
  const memory = gauge("thaw_service_memory_bytes", "Memory that is held for it now, asleep or awake.");
  const info = gauge(
    "thaw_service_info",
    "1 for how it is restored and where its memory sleeps.",
    "engine",
    "tier",
    "state",
  );
  const reason = gauge("thaw_service_engine_reason", "1 for each reason why no faster engine restores it.", "reason");
  const phases = gauge("thaw_service_last_wake_seconds", "Of its last wake-up, from the connection on.", "phase");
  for (const service of services) {
    const labels = { service: service.id };
    wakes.inc(labels, service.wakes);
    fallbacks.inc(labels, service.fallbacks);
    memory.set(labels, service.memoryBytes);
    info.set({ ...labels, engine: service.engine, tier: service.tier, state: service.state }, 1);
    for (const text of service.reasons) reason.set({ ...labels, reason: text }, 1);
    for (const { name, ms } of service.lastWake?.phases ?? []) phases.set({ ...labels, phase: name }, ms / 1000);
  }
  return { text: await registry.metrics(), contentType: registry.contentType };
}
