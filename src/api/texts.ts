/**
 * Small values that people write as text: sizes, durations, ports. No schemas here: the command line reads
 * options with these, and must not load a schema library for it.
 */

const SIZE_UNITS: Readonly<Record<string, number>> = { "": 1, b: 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 };

/** Bytes of "512m", "1.5g", "64KiB", "1048576"; undefined when it is none of these. Units count in 1024. */
export function parseSize(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?$/i.exec(text.trim());
  const unit = SIZE_UNITS[match?.[2]?.toLowerCase() ?? "none"];
  if (match === null || unit === undefined) return undefined;
  return exact(Number(match[1]) * unit);
}

/** Whole, or undefined beyond what a number holds exactly: what nobody means. */
function exact(amount: number): number | undefined {
  const whole = Math.round(amount);
  return Number.isSafeInteger(whole) ? whole : undefined;
}

const DURATION_UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** Milliseconds of "2s", "1m30s", "500ms", "1.5h"; undefined when it is none of these. */
export function parseDuration(text: string): number | undefined {
  if (!/^(\d+(\.\d+)?(ms|s|m|h))+$/.test(text)) return text === "0" ? 0 : undefined;
  let total = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)) {
    total += Number(amount) * (DURATION_UNITS[unit ?? ""] ?? 0);
  }
  return exact(total);
}

/** One published port, as in `-p 127.0.0.1:8001:8000`. */
export interface PortText {
  readonly hostAddress: string;
  readonly hostPort: number;
  readonly containerPort: number;
}

/** "[address:]host:container[/tcp]"; undefined when it is something else. No address means all of them. */
export function parsePort(text: string): PortText | undefined {
  const match = /^(?:(\d{1,3}(?:\.\d{1,3}){3}):)?(\d{1,5}):(\d{1,5})(?:\/tcp)?$/.exec(text);
  const [hostPort, containerPort] = [Number(match?.[2]), Number(match?.[3])];
  if (match === null || !isPort(hostPort) || !isPort(containerPort)) return undefined;
  const hostAddress = match[1] ?? "0.0.0.0";
  if (hostAddress.split(".").some((part) => Number(part) > 255)) return undefined;
  return { hostAddress, hostPort, containerPort };
}

function isPort(number: number): boolean {
  return number >= 1 && number <= 65_535;
}
