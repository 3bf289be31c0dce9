/** Modules that build.mjs makes. */
declare module "classroom:worker" {
  const source: string;
  export default source;
}
declare module "classroom:worlds" {
  import type { World } from "./contract";
  const worlds: Record<string, World>;
  export default worlds;
}
declare module "classroom:recorded" {
  import type { RecordedRun } from "./contract";
  const runs: RecordedRun[];
  export default runs;
}
