/**
 * podman with directories of its own, made to checkpoint with the CRIU that thaw found: its packaged one may not work
 * with this kernel. Where root lacks CAP_SYS_RESOURCE no container starts before its rlimits are taken out.
 */
import { existsSync, mkdirSync, readdirSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { CriuProgram } from "../../src/checkpoint/criu/program.ts";
import { exec, execOk } from "../../src/common/exec.ts";

/** A network of podman's that `remove` removes, too. */
export const NETWORK = "thaw-test";

const CGROUPS = "/sys/fs/cgroup";
const RUNC = "/usr/sbin/runc";

const WITHOUT_LIMITS = `#!/bin/sh
bundle=.; last=
for word in "$@"; do [ "$last" = --bundle ] && bundle=$word; last=$word; done
[ -f "$bundle/config.json" ] && perl -MJSON::PP -e '
  local $/; open(F, "<", $ARGV[0]); my $config = decode_json(<F>); close F;
  delete $config->{process}{rlimits}; open(F, ">", $ARGV[0]); print F encode_json($config);' "$bundle/config.json"
exec ${RUNC} "$@"
`;

/** Why there are no containers of podman's here, or undefined. */
export function podmanMissing(): string | undefined {
  if (Bun.which("podman") === null) return "needs podman";
  return Bun.which(RUNC) === null ? `needs ${RUNC}` : undefined;
}

export class Podman {
  readonly #directory: string;
  readonly #env: Record<string, string>;

  constructor(directory: string, { binaryDir, binaryName, libraryDir, loaderName }: CriuProgram) {
    this.#directory = directory;
    const programs = join(directory, "programs");
    mkdirSync(programs, { recursive: true });
    const criu = `${join(libraryDir, loaderName)} --library-path ${libraryDir} ${join(binaryDir, binaryName)}`;
    writeFileSync(join(programs, "criu"), `#!/bin/sh\nexec ${criu} "$@"\n`, { mode: 0o755 });
    writeFileSync(join(programs, "runc"), WITHOUT_LIMITS, { mode: 0o755 });
    this.#env = { PATH: `${programs}:/usr/sbin:/usr/bin:/sbin:/bin`, HOME: directory };
  }

  get #argv(): string[] {
    const at = (name: string) => join(this.#directory, name);
    return [
      ...["podman", "--root", at("storage"), "--runroot", at("run"), "--tmpdir", at("tmp")],
      ...["--network-config-dir", at("networks")],
      ...["--runtime", at("programs/runc"), "--cgroup-manager", "cgroupfs", "--storage-driver", "overlay"],
    ];
  }

  run(...argv: string[]): Promise<string> {
    return execOk([...this.#argv, ...argv], { env: this.#env });
  }

  /** Ends and removes all of it. */
  async remove(): Promise<void> {
    await exec([...this.#argv, "rm", "--all", "--force", "--time", "0"], { env: this.#env });
    await exec([...this.#argv, "network", "rm", "--force", NETWORK], { env: this.#env });
    rmSync(join("/var/lib/cni/networks", NETWORK), { recursive: true, force: true });
    await exec([...this.#argv, "rmi", "--all", "--force"], { env: this.#env });
    await exec(["umount", "--recursive", join(this.#directory, "storage/overlay")], { env: this.#env });
    for (const mount of readdirSync(CGROUPS)) {
      for (const group of ["libpod_parent/conmon", "libpod_parent"]) removeUnused(join(CGROUPS, mount, group));
    }
  }
}

/** A cgroup that podman leaves behind. */
function removeUnused(group: string): void {
  try {
    if (existsSync(group)) rmdirSync(group);
  } catch {
    // Another podman has something in it.
  }
}
