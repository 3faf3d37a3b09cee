/** Dumps of the program of states.c, made by thaw in a machine of their own. */
import { join } from "node:path";
import type { ProcessImage } from "../../src/checkpoint/compile/process.ts";
import { type UnderstandContext, type Understanding, understand } from "../../src/checkpoint/compile/understand.ts";
import type { CriuInstallation } from "../../src/checkpoint/index.ts";
import { Machine } from "./machine.ts";
import { makeStates, STATES_PATH } from "./states.ts";

/** The layout of the XSAVE area of Intel's CPUs with AVX-512, for tests in which the registers do not matter. */
const XSAVE_OF_INTEL: UnderstandContext["xsave"] = {
  size: 2696,
  offsets: { ymm: 576, bndregs: 960, bndcsr: 1024, opmask: 1088, zmm_hi256: 1152, hi16_zmm: 1664, pkru: 2688 },
};

/** A dump of the program in one of its states. */
export interface Dump {
  /** The directory of CRIU's images. */
  readonly images: string;
  /** The container's writable layer. */
  readonly upper: string;
  readonly context: UnderstandContext;
  /** What the program printed before. */
  readonly said: string;
}

export class Dumps {
  readonly machine: Machine;

  private constructor(machine: Machine) {
    this.machine = machine;
  }

  static async open(criu: CriuInstallation): Promise<Dumps> {
    const machine = await Machine.start(criu);
    await makeStates(machine.root);
    return new Dumps(machine);
  }

  /** Ends everything. Resolves with what is left of it that should not be. */
  close(): Promise<string[]> {
    return this.machine.close();
  }

  /** Starts the program and waits until it is in its state. Resolves with the container's id. */
  async start(state: string): Promise<string> {
    const { containers } = this.machine.daemon;
    const { id } = await containers.create({ ...this.machine.container(state), argv: [STATES_PATH, state] });
    await containers.start(id);
    for (let output = ""; !output.includes("ready\n"); output = await this.#said(id)) {
      if (output.includes("cannot")) throw new Error(output);
      await Bun.sleep(10);
    }
    return id;
  }

  /** Dumps the program in a state; the container is gone afterwards, the checkpoint stays. */
  async make(state: string): Promise<Dump> {
    const { containers, checkpoints, store } = this.machine.daemon;
    const id = await this.start(state);
    // CRIU's checkpoints keep their pages files whole.
    this.machine.compile = async () => ({ engine: "criu", reasons: [] });
    await checkpoints.create(id, state);
    this.machine.compile = undefined;
    const said = await this.#said(id);
    await containers.remove(id, { force: true });
    const { id: checkpoint, mainPid, stdio } = store.get(state);
    const directory = store.directoryOf(checkpoint);
    const upper = join(directory, "upper");
    const rootLowers = [upper, ...this.machine.container("").lowers, this.machine.root];
    const context = { mainPid, stdio, xsave: XSAVE_OF_INTEL, rootLowers };
    return { images: join(directory, "images"), upper, context, said };
  }

  async #said(id: string): Promise<string> {
    const parts: Uint8Array[] = [];
    for await (const { bytes } of this.machine.daemon.containers.logs(id, { follow: false })) parts.push(bytes);
    return Buffer.concat(parts).toString();
  }
}

/** The process of a dump that has to be understood. */
export async function processOf({ images, context }: Dump): Promise<ProcessImage> {
  return understoodOf(await understand(images, context));
}

function understoodOf(result: Understanding): ProcessImage {
  if (result.ok) return result.process;
  throw new Error(`refused: ${[...result.refused, ...result.unsafe].join("; ")}`);
}
