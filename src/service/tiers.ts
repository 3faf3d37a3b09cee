/**
 * Where the memory of a sleeping service is. A budget for all of them decides: services that were in use last get what
 * wakes them fastest, as long as it fits.
 *
 *     parked     a process cloned already, held before it runs on; needs the template, too
 *     template   a process that holds the memory and is cloned at the wake-up
 *     disk       nothing resident
 */

export const TIERS = ["disk", "template", "parked"] as const;
export type Tier = (typeof TIERS)[number];
/** What a service asks for; "auto" leaves it to the budget. */
export type TierWish = Tier | "auto";

export interface Sleeper {
  readonly id: string;
  readonly wish: TierWish;
  /** When it was woken or made last, ms since the epoch. */
  readonly usedAt: number;
  /** Bytes that its template holds or will hold. */
  readonly templateBytes: number;
  /** Bytes that a parked process holds beside the template. */
  readonly parkedBytes: number;
}

/**
 * The tier of each service. A wish is granted before the budget is shared out and counts in it; what is left goes to
 * the others in the order of their last use, first templates, then what waits in them.
 */
export function decideTiers(sleepers: readonly Sleeper[], budgetBytes: number): Map<string, Tier> {
  const tiers = new Map<string, Tier>();
  let left = budgetBytes;
  for (const { id, wish, templateBytes, parkedBytes } of sleepers) {
    if (wish === "auto") continue;
    tiers.set(id, wish);
    left -= wish === "disk" ? 0 : wish === "template" ? templateBytes : templateBytes + parkedBytes;
  }
  const others = sleepers.filter(({ wish }) => wish === "auto").toSorted((a, b) => b.usedAt - a.usedAt);
  for (const { id, templateBytes } of others) {
    const fits = templateBytes <= left;
    tiers.set(id, fits ? "template" : "disk");
    if (fits) left -= templateBytes;
  }
  for (const { id, parkedBytes } of others) {
    if (tiers.get(id) !== "template" || parkedBytes > left) continue;
    tiers.set(id, "parked");
    left -= parkedBytes;
  }
  return tiers;
}
