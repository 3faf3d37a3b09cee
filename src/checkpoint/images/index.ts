/** CRIU's images, decoded. What they mean is src/checkpoint/compile/understand.ts. */
export { FRAMES, PAGEMAP_HEAD } from "./catalog.ts";
export { decodeImage, decodeWithHead } from "./framing.ts";
export { type Images, type ReadImages, readImages } from "./read.ts";
