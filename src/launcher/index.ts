/** The launcher as the rest of thaw uses it. The operations of plans are in generated/protocol.ts. */
export type { AttachStreams, LauncherStream } from "./attach.ts";
export { LauncherClient, type LauncherClientOptions, type LauncherListing } from "./client.ts";
export { endRecord, endRun } from "./end.ts";
export { describeFailure, errnoName, errnoText, planFailure, unreachable } from "./failures.ts";
export { Listeners } from "./listeners.ts";
export { ensureLauncher, findLauncher } from "./process.ts";
export { untilNobodyAccepts } from "./reach.ts";
export { WAKES_NOTHING } from "./route.ts";
export { type RunOptions, runToEnd, runToStart } from "./run.ts";
