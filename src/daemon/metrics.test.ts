import { expect, test } from "bun:test";
import { metricsOf } from "./metrics.ts";

const web = {
  id: "web",
  state: "asleep",
  engine: "criu",
  tier: "disk",
  wakes: 7,
  fallbacks: 2,
  reasons: ['fd 7: "established" TCP'],
  memoryBytes: 4096,
  lastWake: { result: "restored", tier: "disk", waiting: 1, phases: [{ name: "restored", ms: 12.5 }], detail: "" },
} as const;

test("services are counted, with engine, tier and the reasons", async () => {
  const { text, contentType } = await metricsOf([web]);
  expect(contentType).toStartWith("text/plain; version=0.0.4");
  expect(text).toContain('thaw_service_wakes_total{service="web"} 7\n');
  expect(text).toContain('thaw_service_fallbacks_total{service="web"} 2\n');
  expect(text).toContain('thaw_service_memory_bytes{service="web"} 4096\n');
  expect(text).toContain('thaw_service_info{service="web",engine="criu",tier="disk",state="asleep"} 1\n');
  expect(text).toContain('thaw_service_engine_reason{service="web",reason="fd 7: \\"established\\" TCP"} 1\n');
  expect(text).toContain('thaw_service_last_wake_seconds{service="web",phase="restored"} 0.0125\n');
});

test("without services there are names and no values", async () => {
  const { text } = await metricsOf([]);
  expect(text).toContain("# TYPE thaw_service_wakes_total counter");
  expect(text).not.toContain("service=");
});
