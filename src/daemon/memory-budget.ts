/** What sleeping services may keep in memory. */
import { totalmem } from "node:os";
import { ThawError } from "../common/errors.ts";
import { show } from "../common/show.ts";

/** Of the machine's memory, where nobody says it. */
const SHARE = 4;

/** Bytes. @param wish the value of THAW_MEMORY_BUDGET. @throws ThawError INVALID. */
export function memoryBudget(wish: string | undefined): number {
  if (wish === undefined || wish === "") return Math.floor(totalmem() / SHARE);
  if (/^\d{1,15}$/.test(wish)) return Number(wish);
  throw new ThawError("INVALID", `THAW_MEMORY_BUDGET: expected a number of bytes, got ${show(wish)}`, {
    hint: "Give whole bytes such as 4294967296, or 0 for services that sleep on disk alone.",
  });
}
