/** The results of `thaw bench soak` as text. */
import Table from "cli-table3";
import { z } from "zod";
import { PLAIN, renderRows } from "../report.ts";
import type { Report } from "../schema.ts";

const levelSchema = z.record(z.string(), z.number());

/** What the report of this benchmark has beside its rows. */
const extraSchema = z.object({
  leaks: z.object({ before: levelSchema, after: levelSchema, during: z.array(levelSchema) }).optional(),
  alive: z.record(z.string(), levelSchema).optional(),
  kills: z.object({ seed: z.number(), made: z.number(), failures: levelSchema }).optional(),
  restores: z
    .object({
      ...{ seed: z.number(), engine: z.string(), reasons: z.array(z.string()), right: z.number(), killed: z.number() },
      ...{ wrong: z.array(z.string()), killedWhere: levelSchema, before: levelSchema, after: levelSchema },
    })
    .optional(),
  left: z.array(z.string()),
});

const right = (count: number) => Array.from({ length: count }, () => "right" as const);

/** All tables, and what was left. */
export function renderSoak(report: Report): string {
  const { leaks, alive, kills, restores, left } = extraSchema.parse(report.extra);
  return [
    renderRows(report),
    ...(leaks ? [renderLevels(leaks.before, leaks.after)] : []),
    ...(alive ? [renderCosts(alive)] : []),
    ...(kills ? [renderKills(kills)] : []),
    ...(restores ? [renderLevels(restores.before, restores.after), renderRestores(restores)] : []),
    left.length === 0 ? "Nothing is left." : `Left, and should not be:\n${left.join("\n")}`,
  ].join("\n\n");
}

function renderLevels(before: Record<string, number>, after: Record<string, number>): string {
  const head = ["level", "after the warm-up", "at the end", "change"];
  const table = new Table({ head, colAligns: ["left", ...right(3)], ...PLAIN });
  for (const [name, from] of Object.entries(before)) {
    const to = after[name] ?? 0;
    const change = from === 0 ? String(to - from) : `${(((to - from) / from) * 100).toFixed(1)} %`;
    table.push([name.replaceAll("_", " "), from, to, change]);
  }
  return table.toString();
}

function renderCosts(costs: Record<string, Record<string, number>>): string {
  const networks = Object.keys(costs);
  const table = new Table({
    head: ["of one container, bytes", ...networks],
    colAligns: ["left", ...right(networks.length)],
    ...PLAIN,
  });
  for (const name of Object.keys(Object.values(costs)[0] ?? {})) {
    table.push([name.replaceAll("_", " "), ...networks.map((network) => costs[network]?.[name] ?? 0)]);
  }
  return table.toString();
}

function renderKills(kills: { seed: number; made: number; failures: Record<string, number> }): string {
  const failures = Object.entries(kills.failures).map(([kind, count]) => `\n${String(count).padStart(5)}  ${kind}`);
  const failed =
    failures.length === 0 ? "no call failed." : `calls that failed and were made again:${failures.join("")}`;
  return `While killing (seed ${kills.seed}) ${kills.made} containers were made; ${failed}`;
}

function renderRestores(restores: NonNullable<z.output<typeof extraSchema>["restores"]>): string {
  const { seed, engine, reasons, right, killed, killedWhere, wrong } = restores;
  const why = reasons.length === 0 ? "" : ` (${reasons.join("; ")})`;
  const where = Object.entries(killedWhere).map(([kind, count]) => `\n${String(count).padStart(5)}  ${kind}`);
  return [
    `Restored by ${engine}${why}: ${right} right, ${wrong.length} wrong, ${killed} killed (seed ${seed}):${where.join("")}`,
    ...wrong,
  ].join("\n");
}
