/** Which containers get the hooks that renew random state after a restore, and what that changes of them. */
import type { ContainerSpec } from "../container/types.ts";
import { hookDirectory, hookEnv, type Runtime, runtimesOf } from "../sandbox/index.ts";

const ALL: readonly Runtime[] = ["python", "node", "java"];
const MOST_REMEMBERED = 1000;

export class Reseeding {
  readonly #data: string;
  /** Looking through an image takes a stat for each directory of its PATH. */
  readonly #found = new Map<string, readonly Runtime[]>();

  /** @param data  the data directory, which keeps the hooks. */
  constructor(data: string) {
    this.#data = data;
  }

  /**
   * The container with its hooks.
   * @param wish  false: none; true: those of all runtimes; undefined: of those that the image has, for a container that
   * may be checkpointed and is no throw-away.
   */
  of(spec: ContainerSpec, wish: boolean | null | undefined): ContainerSpec {
    const runtimes = wish ? ALL : wish === false || !mayWake(spec) ? [] : this.#runtimesOf(spec);
    if (runtimes.length === 0) return spec;
    return { ...spec, env: hookEnv(spec.env, runtimes), hooks: hookDirectory(this.#data) };
  }

  #runtimesOf({ lowers, argv, env }: ContainerSpec): readonly Runtime[] {
    const where = env.filter((entry) => /^(PATH|JAVA_HOME)=/.test(entry));
    const key = JSON.stringify([lowers, argv, where]);
    const known = this.#found.get(key);
    if (known) return known;
    const found = runtimesOf({ lowers, argv, env });
    if (this.#found.size === MOST_REMEMBERED) this.#found.clear();
    this.#found.set(key, found);
    return found;
  }
}

function mayWake({ init, tty, autoRemove, lean, userns }: ContainerSpec): boolean {
  return init && !tty && !autoRemove && !lean && !userns;
}
