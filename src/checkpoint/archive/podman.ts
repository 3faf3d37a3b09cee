/**
 * What tools that know podman's archives read, made of what thaw knows. It is for looking at: podman itself restores no
 * process that was dumped inside of namespaces that are there already, as thaw's are.
 */
import type { CheckpointManifest } from "../manifest.ts";
import type { ArchivedContainer } from "./container.ts";

const OCI_VERSION = "1.0.2";

/** The container as podman's config.dump has it. */
export function configDump(manifest: CheckpointManifest, container: ArchivedContainer): string {
  return JSON.stringify({
    id: manifest.id.padEnd(64, "0"),
    name: container.name,
    rootfsImageName: manifest.image,
    runtime: "thaw",
    command: container.argv,
    createdTime: new Date(manifest.createdAt).toISOString(),
  });
}

/** The container as an OCI runtime configuration. */
export function specDump(container: ArchivedContainer): string {
  const { argv, env, cwd, hostname, tty, isolation } = container;
  return JSON.stringify({
    ociVersion: OCI_VERSION,
    process: { terminal: tty, args: argv, env, cwd, noNewPrivileges: isolation?.noNewPrivileges ?? true },
    root: { path: "rootfs", readonly: isolation?.readonlyRoot ?? false },
    hostname,
    annotations: { "io.container.manager": "thaw" },
    linux: { namespaces: ["pid", "mount", "ipc", "uts", "network"].map((type) => ({ type })) },
  });
}
