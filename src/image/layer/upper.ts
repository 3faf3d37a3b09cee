/** Upper directories of overlays as layer archives outside of the layer store: what a checkpoint takes along. */
import { fromOverlay, type OnDropped } from "./from-overlay.ts";
import { archiveOf, extractTo } from "./gnu-tar.ts";
import { toOverlay } from "./to-overlay.ts";

export interface PackOptions {
  readonly onDropped: OnDropped;
  /** Called for every path that the layer removes from those below it. */
  readonly onDeleted: (path: string) => void;
  readonly signal: AbortSignal;
}

/** An upper directory as a layer. @throws ThawError BAD_ARCHIVE for what no layer can express. */
export async function* packUpper(directory: string, options: PackOptions): AsyncGenerator<Uint8Array> {
  yield* fromOverlay(archiveOf(directory, options.signal), options.onDropped, options.onDeleted);
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
