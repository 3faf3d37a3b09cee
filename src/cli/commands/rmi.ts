/** thaw rmi */
import type { Context } from "../context.ts";
import { removeImages } from "../image-list.ts";

export const command = (context: Context) => removeImages(context, "rmi", "thaw rmi");
