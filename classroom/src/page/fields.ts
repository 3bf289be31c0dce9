/** Every setting of the page: how it is shown, what it may be, and when it means nothing. No words are here; see src/text. */
import type { Settings, World } from "../contract.js";

export type Key = keyof Settings;
export type Group = "data" | "answers" | "training" | "after" | "compare";

export interface Choice { key: Key; group: Group; kind: "choice"; options: readonly string[] }
export interface Slider { key: Key; group: Group; kind: "slider"; values: readonly number[]; least: number; most: number; whole: boolean }
export interface Box { key: Key; group: Group; kind: "number"; least: number; most: number; whole: boolean }
export type Field = Choice | Slider | Box;

const choice = (key: Key, group: Group, ...options: string[]): Choice => ({ key, group, kind: "choice", options });
const slider = (key: Key, group: Group, values: readonly number[], least: number, most: number): Slider =>
  ({ key, group, kind: "slider", values, least, most, whole: values.every(Number.isInteger) });

export const TEMPERATURES = [0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.8, 2, 2.5, 3];

/** In the order of the page. The values of `style` and `shots` are those that the world has, and `own` is a text box. */
export const FIELDS: readonly Field[] = [
  choice("world", "data", "english", "chinese", "examples", "own"),
  choice("keep", "data", "style", "random_half", "likeliest_half", "all_but_mode", "everything"),
  choice("style", "data"),
  slider("replay", "data", [0, 0.001, 0.003, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1], 0, 1),
  slider("temperature", "data", TEMPERATURES, 0.05, 10),
  slider("answers", "answers", [0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64], 0, 1024),
  slider("epochs", "answers", [0, 1, 2, 5, 10, 20, 50, 100, 200], 0, 5000),
  choice("annotator", "answers", "sampled", "homogeneous", "tempered"),
  choice("model", "training", "transformer", "table"),
  slider("rank", "training", [0, 1, 2, 4, 8, 16], 0, 32),
  choice("optimizer", "training", "adam", "sgd"),
  slider("rate", "training", [1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 3e-3, 5e-3, 1e-2, 2e-2, 3e-2, 5e-2, 0.1, 0.2, 0.5, 1, 2, 5, 10], 1e-6, 1000),
  slider("warmup", "training", [0, 5, 10, 20, 50, 100], 0, 20000),
  choice("decay", "training", "none", "cosine"),
  choice("targets", "training", "exact", "sampled"),
  slider("batch", "training", [1, 2, 4, 8, 16, 32, 64, 128, 256], 1, 4096),
  slider("steps", "training", [10, 20, 30, 50, 75, 100, 150, 200, 300, 500, 1000, 2000, 5000, 10000], 1, 20000),
  { key: "seed", group: "training", kind: "number", least: 0, most: 999999, whole: true },
  slider("decode", "after", TEMPERATURES, 0.05, 10),
  slider("shots", "after", [], 0, 127),
  choice("control", "compare", "identity", "style_blind", "none"),
];

export const GROUPS: readonly Group[] = ["data", "answers", "training", "after", "compare"];

export type Idle = "onlyStyle" | "onlyFinite" | "epochsDecide" | "onlyTransformer" | "onlySampled" | "onlyExamples" | "onlyTokens";

/** Why a setting means nothing beside the others, or null if it means something. */
export function idle(key: Key, s: Settings): Idle | null {
  if (key === "style" && s.keep !== "style") return "onlyStyle";
  if ((key === "epochs" || key === "annotator") && s.answers === 0) return "onlyFinite";
  if (key === "steps" && s.answers > 0 && s.epochs > 0) return "epochsDecide";
  if (key === "rank" && s.model === "table") return "onlyTransformer";
  if (key === "decode" && s.model === "table") return "onlyTokens";
  if (key === "batch" && s.targets === "exact") return "onlySampled";
  if (key === "shots" && s.world !== "examples") return "onlyExamples";
  return null;
}

/** The last value that a world has for a setting that depends on it; Infinity for the others and where it means nothing. */
export function last(key: Key, settings: Settings, world: World): number {
  if (key === "style") return world.styles.length - 1;
  return key === "shots" && idle(key, settings) === null ? Math.max(...world.shots) : Infinity;
}

/** The settings with those that the world does not have moved to the last ones that it has. */
export function inside(settings: Settings, world: World): Settings {
  const least = (key: "style" | "shots"): number => Math.min(settings[key], last(key, settings, world));
  return { ...settings, style: least("style"), shots: least("shots") };
}

/** The values of a setting that is shown as a slider, with the present one among them. */
export function values(field: Slider, now: number, world: World | null): number[] {
  const own = field.key === "shots" ? (world?.shots ?? []) : field.values;
  return [...new Set([...own, now])].sort((a, b) => a - b);
}

/** Names of the options of a choice. The styles are those of the world. */
export function options(field: Choice, world: World | null): readonly string[] {
  return field.key === "style" ? (world?.styles.map((_, i) => String(i)) ?? []) : field.options;
}
