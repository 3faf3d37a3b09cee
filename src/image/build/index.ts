/** Building images from Dockerfiles. */
export { type BuildOptions, buildArgsFromEnvironment, buildImage } from "./build.ts";
export type { RunStep, StepRunner } from "./runner.ts";
