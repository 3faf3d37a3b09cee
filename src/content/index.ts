/** Blobs by digest: the store of manifests, configs and layer archives. */
export { type Digest, digestFromHex, digestHex, digestOf, isDigest, parseDigest } from "./digest.ts";
export { type Blob, type BlobSource, ContentStore, type PutOptions } from "./store.ts";
