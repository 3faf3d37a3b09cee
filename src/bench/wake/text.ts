/** The results of `thaw bench wake` as text. */
import { z } from "zod";
import { renderJudgements } from "../judge.ts";
import { renderMachine } from "../report.ts";
import type { Report } from "../schema.ts";
import { renderMissing, renderNotes, renderPaces, renderPhases } from "../text.ts";
import { judgeWakes } from "./targets.ts";

const extraSchema = z.object({ phases: z.record(z.string(), z.record(z.string(), z.number())) });

export function renderWake(report: Report): string {
  const { rows } = report;
  const parts = [
    renderPaces(rows),
    renderMissing(rows),
    renderPhases(extraSchema.parse(report.extra).phases),
    renderNotes(rows, ({ name, params }) => {
      return params?.engine === undefined ? name.split("/").slice(1).join("/") : "<engine>/<tier>";
    }),
    renderMachine(report.machine),
    renderJudgements(judgeWakes(report)),
  ];
  return parts.filter((text) => text !== "").join("\n\n");
}
