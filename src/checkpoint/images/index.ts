/** CRIU's images, decoded. What they mean is src/checkpoint/compile/understand.ts. */
export { type Images, type ReadImages, readImages } from "./read.ts";
