/** What understanding needs to know beside the images, and where it gathers what speaks against them. */

/** Where the parts of the FPU's state stand in the XSAVE area of this machine, as CPUID leaf 0xD says; bytes. */
export interface XsaveLayout {
  readonly offsets: Readonly<Partial<Record<XsavePart, number>>>;
  /** Of the whole area. */
  readonly size: number;
}

/** Parts beyond FXSAVE that CRIU dumps. */
export type XsavePart = "ymm" | "bndregs" | "bndcsr" | "opmask" | "zmm_hi256" | "hi16_zmm" | "pkru";

/** What the checkpoint says of the dumped container. */
export interface UnderstandContext {
  /** The main process's pid in the container. */
  readonly mainPid: number;
  /** The pipes ("pipe:[4711]") that stdin, stdout and stderr were, or null. */
  readonly stdio: readonly [string | null, string | null, string | null];
  readonly xsave: XsaveLayout;
  /** Directories that the container's root is made of, the uppermost first. Undefined: mapped files are not looked at. */
  readonly rootLowers?: readonly string[];
  /** What is shown at /dev/thaw/hooks. */
  readonly hooks?: string | undefined;
}

/** Reasons against a checkpoint, all of them, each once. */
export class Reasons {
  readonly #refused = new Set<string>();
  readonly #unsafe = new Set<string>();

  /** The compiled engine cannot restore this; CRIU may. */
  refuse(reason: string): void {
    this.#refused.add(reason);
  }

  /** Not even CRIU restores this right. */
  unsafe(reason: string): void {
    this.#unsafe.add(reason);
  }

  get refused(): string[] {
    return [...this.#refused];
  }

  get unsafeOnes(): string[] {
    return [...this.#unsafe];
  }
}

/** A number as addresses and flags are read: hexadecimal. */
export function hex(value: number | bigint): string {
  return `0x${value.toString(16)}`;
}

/** Seconds and a fraction as nanoseconds. */
export function nanoseconds(seconds: bigint, fraction: bigint, perFraction: bigint): bigint {
  return seconds * 1_000_000_000n + fraction * perFraction;
}
