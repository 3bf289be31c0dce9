/** What the pictures show: plain numbers per step, computed once from the frames by the laws. */
import type { Bounds, GateErasure, Settings, View, World } from "../contract.js";
import type { Texts } from "../text/texts.js";

/** All numbers about one law q, per answer with the prompts of P [nat, or shares]. */
export interface Point extends GateErasure {
  step: number;
  logQ: Float64Array;
  entropy: Bounds; // H(q): the ends are equal where the model has no mass off the list
  outside: number; // mass off the listed answers
  mass: number[]; // of every style
  forgotten: number; // KL(P||q) = gate + kept + erasure
  fit: number; // KL(S||q)
}

/** The truth beside which models are shown. */
export interface Truth {
  entropyP: number;
  entropyS: number;
  massP: number[];
  massS: number[];
  rows: number[]; // strings that this view shows (worked examples restrict it)
  kept: boolean[];
  mismatch: { mass: number; entropy: number } | null; // of a style-blind control
}

export interface Scene {
  t: Texts;
  world: World;
  settings: Settings;
  view: View; // the part of the world that is shown
  truth: Truth;
  steps: number; // of the whole training
  tuning: Point[];
  control: Point[];
  before: Point | null; // q0
  after: Point | null; // the last law of the tuning, decoded at the chosen temperature
  afterControl: Point | null;
  logAxes: boolean;
}

export type Side = "tuning" | "control";
export const SIDES: readonly Side[] = ["tuning", "control"];

/** The law that "after" pictures show: decoded if a temperature is chosen, else the last frame. */
export function latest(scene: Scene, side: Side): Point | null {
  const decoded = side === "tuning" ? scene.after : scene.afterControl;
  return decoded ?? scene[side].at(-1) ?? null;
}
