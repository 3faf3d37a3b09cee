/** What is around the process: that it is alone, and its namespaces. */
import type { Images } from "../../images/index.ts";
import type { IdsEntry, PstreeEntry } from "../../images/messages/process.ts";
import type { Reasons } from "./context.ts";

/** Versions of the images' format that CRIU 4.2 writes. */
const FORMAT_VERSION = 2;

const NAMESPACES = {
  pidNamespace: "pid",
  netNamespace: "network",
  ipcNamespace: "IPC",
  utsNamespace: "UTS",
  mntNamespace: "mount",
  userNamespace: "user",
  cgroupNamespace: "cgroup",
  timeNamespace: "time",
} as const satisfies Partial<Record<keyof IdsEntry, string>>;

/** The only process of the images, if it is the main one. */
export function onlyProcess(images: Images, mainPid: number, reasons: Reasons): PstreeEntry | undefined {
  const others = images.pstree.filter(({ pid }) => pid !== mainPid);
  if (others.length > 0) {
    const shown = others.slice(0, 5).map(({ pid }) => pid);
    reasons.refuse(`${images.pstree.length} processes: besides the main one ${shown.join(", ")}`);
  }
  const main = images.pstree.filter(({ pid }) => pid === mainPid);
  if (main.length !== 1)
    reasons.refuse(`pstree.img: expected the process ${mainPid} once, got it ${main.length} times`);
  return main[0];
}

/** Refuses another format, namespaces of the process's own, what other programs hooked into the dump. */
export function checkSurroundings(images: Images, pid: number, reasons: Reasons): void {
  const inventory = images.inventory[0];
  const ids = images.ids.get(pid);
  if (inventory === undefined) reasons.refuse("inventory.img is missing");
  if (ids === undefined) reasons.refuse(`ids-${pid}.img is missing`);
  if (inventory === undefined || ids === undefined) return;
  if (inventory.version !== FORMAT_VERSION) {
    reasons.refuse(`inventory.img: expected the format ${FORMAT_VERSION}, got ${inventory.version}`);
  }
  if (inventory.plugins?.names.length) reasons.refuse(`CRIU's plug-ins: ${inventory.plugins.names.join(", ")}`);
  for (const [key, name] of Object.entries(NAMESPACES)) {
    // The keys are those of the table above.
    const of = key as keyof typeof NAMESPACES;
    if (ids[of] !== inventory.rootIds?.[of]) reasons.refuse(`the process has a ${name} namespace of its own`);
  }
}
