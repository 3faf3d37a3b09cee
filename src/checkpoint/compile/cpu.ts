/** The layout of this CPU's state in memory. Only the instruction CPUID knows it, so the launcher is asked. */
import { ThawError } from "../../common/errors.ts";
import { execOk } from "../../common/exec.ts";
import { findLauncher } from "../../launcher/index.ts";
import type { XsaveLayout, XsavePart } from "./understand/context.ts";

/** @throws ThawError UNSUPPORTED_MACHINE when the CPU has no XSAVE. */
export async function xsaveLayout(): Promise<XsaveLayout> {
  const stdout = await execOk([findLauncher(), "cpu"]);
  const numbers = new Map(stdout.trim().split("\n").map(parseLine));
  const size = numbers.get("size");
  if (size === undefined) {
    throw new ThawError("UNSUPPORTED_MACHINE", `expected the size of the XSAVE area, got ${JSON.stringify(stdout)}`);
  }
  numbers.delete("size");
  // The launcher prints the parts by the names that are this type.
  return { size, offsets: Object.fromEntries(numbers) as Partial<Record<XsavePart, number>> };
}

function parseLine(line: string): [string, number] {
  const [name = "", value = ""] = line.split(" ");
  return [name, Number(value)];
}
