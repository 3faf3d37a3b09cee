/**
 * Sysctls that a container may be given: those that the kernel keeps apart for each namespace, and only where the
 * container has that namespace to itself. Everything else would change the host.
 */

const IPC = /^(kernel\.(shm(all|max|mni|_rmid_forced)|msg(max|mnb|mni)|sem)|fs\.mqueue\.[a-z_]+)$/;
/** Interface names may have dashes and capitals. */
const NET = /^net(\.[A-Za-z0-9_-]+)+$/;

/** Which namespaces are the container's own. */
export interface OwnNamespaces {
  readonly ipc: boolean;
  readonly net: boolean;
}

/** Why a container cannot have a sysctl, or undefined. Words that go on from "the sysctl NAME ...". */
export function sysctlProblem(name: string, own: OwnNamespaces): string | undefined {
  const dotted = name.replaceAll("/", ".");
  if (IPC.test(dotted))
    return own.ipc ? undefined : "would change the host: the container has the host's IPC namespace";
  if (NET.test(dotted)) return own.net ? undefined : "would change the host: the container has the host's network";
  return "is not one that belongs to a single container";
}

/** The path below /proc/sys; a name written with slashes keeps the dots of an interface's name. */
export function sysctlPath(name: string): string {
  return name.includes("/") ? name : name.replaceAll(".", "/");
}
