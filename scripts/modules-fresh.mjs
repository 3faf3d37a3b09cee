/**
 * Exits 0 when node_modules holds what package-lock.json asks for, 1 when `npm ci` is due. Compares
 * npm's record of what it installed with the lock file by content: times say nothing after a checkout.
 * Runs on node, since Bun is one of the packages in question.
 */
import { readFileSync } from "node:fs";

function packages(path) {
  try {
    return JSON.parse(readFileSync(path, "utf8")).packages;
  } catch {
    return {};
  }
}

const wanted = Object.entries(packages("package-lock.json")).filter(([path]) => path !== "");
const installed = packages("node_modules/.package-lock.json");
const stale = wanted.filter(([path, { optional, integrity }]) => {
  const present = installed[path];
  return present ? present.integrity !== integrity : !optional;
});
process.exit(wanted.length > 0 && stale.length === 0 ? 0 : 1);
