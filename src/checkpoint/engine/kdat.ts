/**
 * CRIU keeps what it found out about the kernel in /run/criu.kdat, and reads it there at every start; without it a
 * restore takes three times as long. It runs in the container's root, so the file has to be in the lowest layer of
 * every root. What CRIU reads there it believes, and it has all capabilities: so the file must be thaw's own, out of the
 * container's reach.
 */
import { chmod, copyFile, mkdir, readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import { ThawError } from "../../common/errors.ts";
import type { Container } from "../../container/types.ts";
import { MergedView } from "../../image/index.ts";

const KDAT = "run/criu.kdat";

/**
 * Puts the feature cache into the layer below every container. To be called before the first container starts: an
 * overlay does not have to see what changes below it.
 */
export async function placeKdat(kdat: string, initLayer: string): Promise<void> {
  const run = join(initLayer, "run");
  const temporary = join(run, `.criu.kdat.${process.pid}`);
  await mkdir(run, { recursive: true });
  await copyFile(kdat, temporary);
  await chmod(temporary, 0o600);
  await rename(temporary, join(run, "criu.kdat"));
}

/**
 * Makes sure that what CRIU will read in a running container is thaw's file. The image must show it, through ordinary
 * directories that go down to thaw's layer: those cannot be renamed. And it must be a mount point, which cannot be
 * unlinked, since the container started.
 * @throws ThawError CHECKPOINT_FAILED.
 */
export async function checkKdat({ spec, pid }: Container): Promise<void> {
  const layer = spec.lowers.at(-1) ?? "";
  const seen = await new MergedView(spec.lowers).lookup(KDAT);
  if (seen?.hostPath !== join(layer, KDAT)) {
    throw new ThawError(
      "CHECKPOINT_FAILED",
      `the image of ${spec.name} hides or replaces /${KDAT}, which CRIU trusts`,
      {
        hint: "Make /run an ordinary directory in the image, without that file.",
      },
    );
  }
  const mounts = await readFile(`/proc/${pid}/mountinfo`, "utf8");
  if (mounts.split("\n").some((line) => line.split(" ")[4] === `/${KDAT}`)) return;
  throw new ThawError("CHECKPOINT_FAILED", `${spec.name} was started before CRIU was set up`, {
    hint: `Start it again, then make the checkpoint: thaw stop ${spec.name}; thaw start ${spec.name}`,
  });
}
