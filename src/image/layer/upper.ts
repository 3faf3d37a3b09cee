/** Upper directories of overlays as layer archives outside of the layer store: what a checkpoint takes along. */
import { readTar } from "../tar/reader.ts";
import { layerOf, type OnDropped } from "./from-overlay.ts";
import { archiveOf, extractTo } from "./gnu-tar.ts";
import { mergeUppers } from "./merge-uppers.ts";
import { toOverlay } from "./to-overlay.ts";

export interface PackOptions {
  readonly onDropped: OnDropped;
  /** Called for every path that the layer removes from those below it. */
  readonly onDeleted: (path: string) => void;
  readonly signal: AbortSignal;
}

/**
 * Upper directories, each made on top of the next, as one layer; top first.
 * @throws ThawError BAD_ARCHIVE for what no layer can express.
 */
export async function* packUppers(directories: readonly string[], options: PackOptions): AsyncGenerator<Uint8Array> {
  const { onDropped, onDeleted, signal } = options;
  const uppers = directories.map((directory) => () => readTar(archiveOf(directory, signal)));
  yield* layerOf(mergeUppers(uppers), onDropped, onDeleted);
}

/**
 * Unpacks a layer of foreign origin into an empty directory that becomes a layer of an overlay.
 * @throws ThawError BAD_ARCHIVE, NO_SPACE; the directory is then half-filled and the caller's to remove.
 */
export async function unpackUpper(
  directory: string,
  layer: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<void> {
  await extractTo(directory, toOverlay(layer), signal);
}
