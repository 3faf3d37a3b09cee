/** thaw services */
import type { ServiceAnswer } from "../../api/thaw.ts";
import { makeCommand } from "../command.ts";
import type { Context } from "../context.ts";
import { bytesText, plain, print, printJson, table } from "../print.ts";

export const command = ({ client }: Context) =>
  makeCommand(
    "services",
    "Show the services: state, ports, wake-ups, and the phases of the last one in ms since the connection came.",
    [
      ["thaw services", "a table"],
      ["thaw services --json", "all that is known, as JSON"],
    ],
  )
    .option("--json", "show all that is known as JSON")
    .action(async ({ json = false }: { json?: boolean }) => {
      const all = await client.json<ServiceAnswer[]>("serviceList");
      if (json) return printJson(all);
      print(table(HEADER, all.map(row)));
      for (const { id, error } of all) if (error !== "") print(`${id}: ${plain(error)}`);
    });

const HEADER = ["NAME", "STATE", "PORTS", "ENGINE", "TIER", "WAKES", "FALLBACKS", "LAST WAKE (ms)", "MEMORY"];

function row({ id, spec, state, engine, tier, wakes, fallbacks, lastWake, memoryBytes }: ServiceAnswer): string[] {
  const ports = spec.ports.map(
    ({ hostAddress, hostPort, containerPort }) => `${hostAddress}:${hostPort}->${containerPort}`,
  );
  return [
    id,
    state,
    ports.join(", "),
    engine,
    tier,
    String(wakes),
    String(fallbacks),
    wakeText(lastWake),
    bytesText(memoryBytes),
  ];
}

function wakeText(wake: ServiceAnswer["lastWake"]): string {
  if (wake === undefined) return "-";
  const phases = wake.phases.map(({ name, ms }) => `${name} ${ms.toFixed(1)}`).join(", ");
  return wake.result === "restored" ? phases : `${wake.result}: ${plain(wake.detail || phases)}`;
}
