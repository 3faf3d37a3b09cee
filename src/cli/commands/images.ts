/** thaw images */
import type { Context } from "../context.ts";
import { listImages } from "../image-list.ts";

export const command = (context: Context) => listImages(context, "images", "thaw images");
