/** A container's own /dev, made afresh, and what else is put together apart from its root. */
import type { ChildOp } from "../launcher/generated/protocol.ts";
import { DEV, DEVICE_LINKS, DEVICES, devMounts, GENERATION, TRAY } from "./tables.ts";
import type { IdRange } from "./user-namespace.ts";

/** A character device that everyone may read and write. */
const FILE_MODE = 0o020666;

/** Mounts /dev and makes what is in it. */
export function devOps(ids: IdRange | undefined): ChildOp[] {
  return [
    DEV,
    ...DEVICES.map(({ name, major, minor }): ChildOp => {
      return { kind: "make_node", path: `/dev/${name}`, mode: FILE_MODE, major, minor };
    }),
    ...devMounts(ids),
    ...Object.entries(DEVICE_LINKS).map(([name, text]): ChildOp => ({ kind: "make_link", path: `/dev/${name}`, text })),
    { kind: "generation", target: GENERATION },
  ];
}

/** Whether an operation is about something in /proc, /sys or /dev. */
export function isOnTray(op: ChildOp): boolean {
  const path = "target" in op ? op.target : "path" in op ? op.path : "";
  return TRAY.some((directory) => path.startsWith(`${directory}/`));
}
