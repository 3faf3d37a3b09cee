/**
 * Gives every value of CRIU's images a meaning, or names the reason why there is none: what the compiled engine
 * refuses goes to CRIU, what even CRIU would restore wrong refuses the checkpoint. All reasons are gathered, so that
 * a user sees at once what stands between a service and a restore in a millisecond.
 */
import { readImages } from "../images/index.ts";
import type { ProcessImage } from "./process.ts";
import { checkOwners, locksOf } from "./understand/claims.ts";
import { Reasons, type UnderstandContext } from "./understand/context.ts";
import { credentialsOf } from "./understand/credentials.ts";
import { understandFiles } from "./understand/files.ts";
import { checkMappedFiles } from "./understand/mapped-files.ts";
import { memoryMap, placeInFiles } from "./understand/memory.ts";
import { pageRuns } from "./understand/pages.ts";
import { seccompOf } from "./understand/seccomp.ts";
import { checkSurroundings, onlyProcess } from "./understand/surroundings.ts";
import { FileTable } from "./understand/tables.ts";
import { understandTask } from "./understand/task.ts";
import { threadImages, understandThread } from "./understand/threads.ts";
import { vmas as understandVmas } from "./understand/vmas.ts";

export type { UnderstandContext, XsaveLayout, XsavePart } from "./understand/context.ts";

/** The process, or all reasons against it; each says where, and what is there. */
export type Understanding =
  | { readonly ok: true; readonly process: ProcessImage }
  | {
      readonly ok: false;
      /** Why the compiled engine cannot restore it. */
      readonly refused: readonly string[];
      /** Why CRIU would restore it wrong, too. */
      readonly unsafe: readonly string[];
    };

/**
 * Understands a directory of images, whatever is in it: damage is one more reason.
 * @throws what the file system throws.
 */
export async function understand(imagesDir: string, context: UnderstandContext): Promise<Understanding> {
  const { images, problems } = await readImages(imagesDir);
  const reasons = new Reasons();
  for (const problem of problems) reasons.refuse(problem);
  const process = processOf(images, context, reasons);
  if (process !== undefined && context.rootLowers !== undefined) {
    const place = { lowers: context.rootLowers, hooks: context.hooks };
    await checkMappedFiles(process.vmas, process.mm.exe, place, reasons);
  }
  const { refused, unsafeOnes: unsafe } = reasons;
  if (process !== undefined && refused.length === 0 && unsafe.length === 0) return { ok: true, process };
  if (refused.length === 0 && unsafe.length === 0) reasons.refuse("the images hold no process");
  return { ok: false, refused: reasons.refused, unsafe };
}

type ReadImagesResult = Awaited<ReturnType<typeof readImages>>["images"];

/** As much of the process as there is; undefined when its main parts are missing, for which there is a reason then. */
function processOf(images: ReadImagesResult, context: UnderstandContext, reasons: Reasons): ProcessImage | undefined {
  const { mainPid: pid } = context;
  const tree = onlyProcess(images, pid, reasons);
  checkSurroundings(images, pid, reasons);
  const [mm, core, ids] = [images.mm.get(pid), images.core.get(pid), images.ids.get(pid)];
  const task = core?.task;
  if (mm === undefined) reasons.refuse(`mm-${pid}.img is missing`);
  if (task === undefined) reasons.refuse(`core-${pid}.img: no process in it`);
  if (tree === undefined || mm === undefined || task === undefined || ids === undefined) return undefined;

  const table = new FileTable(images, reasons);
  const threads = threadImages(images, pid, tree.threads, reasons);
  const leader = { name: task.comm, mask: task.blockedSignals };
  const vmas = understandVmas(mm, table, reasons);
  const { files, descriptors, owners } = understandFiles(ids.files, { images, context, table, reasons });
  const credentials = credentialsOf(threads, reasons);
  const process = {
    pid,
    pgid: tree.pgid,
    sid: tree.sid,
    mm: memoryMap(mm, table, reasons),
    vmas,
    pages: pageRuns(images, pid, { vmas, mapped: mm.vmas }, reasons),
    ...placeInFiles(images, pid, table, reasons),
    files,
    descriptors,
    locks: locksOf(images.fileLocks, pid, { files, descriptors }, reasons),
    owners: checkOwners(owners, { files, descriptors }, credentials, reasons),
    threads: threads.map((thread) =>
      understandThread(thread, context.xsave, thread.tid === pid ? leader : undefined, reasons),
    ),
    credentials,
    ...understandTask(task, tree.threads, reasons),
    seccomp: seccompOf(images, threads, reasons),
    thpDisabled: mm.thpDisabled ?? false,
  };
  // What is refused is often what has the others.
  if (reasons.refused.length === 0) table.checkAllUsed();
  return process;
}
