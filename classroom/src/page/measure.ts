/** From frames to the numbers of the pictures. This is the only module of the page that asks the laws for quantities. */
import type { Frame, Settings, Target, View, World } from "../contract.js";
import { controlTarget, decoded, entropy, gateErasure, kl, likelyOutside, styleMass, target, viewOf } from "../laws/index.js";
import type { Point, Truth } from "./model.js";

export interface Law { view: View; target: Target; control: Target | null; truth: Truth }

/** The view and the targets of some settings. Raises RangeError with one line if the settings leave nothing. */
export function lawOf(world: World, settings: Settings): Law {
  const style = settings.keep === "style" && settings.style < world.styles.length ? { style: settings.style } : {};
  const view = settings.world === "examples" ? viewOf(world, { shots: settings.shots, ...style }) : viewOf(world);
  const goal = target(world, settings);
  const control = settings.control === "none" ? null : controlTarget(world, settings);
  const rows = view.rows.flatMap((own, prompt) => (view.logPrompt[prompt] === -Infinity ? [] : own));
  const truth: Truth = {
    entropyP: entropy(view, view.logP).lower,
    entropyS: entropy(view, goal.logS).lower,
    massP: styleMass(view, view.logP),
    massS: styleMass(view, goal.logS),
    rows,
    kept: goal.kept,
    mismatch: control?.mismatch ?? null,
  };
  return { view, target: goal, control, truth };
}

/** All numbers about the law of a frame. The parts A and B of forgetting are those of the tuning, for the control too. */
export function pointOf(law: Law, frame: Frame): Point {
  const parts = gateErasure(law.view, law.target.kept, frame.logQ);
  const outside = likelyOutside(law.view, frame.logQ);
  return {
    ...parts,
    step: frame.step,
    logQ: frame.logQ,
    entropy: entropy(law.view, frame.logQ),
    outside: Math.abs(outside) < 1e-12 ? 0 : outside, // smaller than the rounding of the sum
    mass: styleMass(law.view, frame.logQ),
    forgotten: parts.gate + parts.kept + parts.erasure,
    fit: kl(law.view, law.target.logS, frame.logQ, prompts(law)),
  };
}

/** Weights of the prompts for KL(S||q): those of S within the view. */
function prompts(law: Law): Float64Array {
  const shown = law.target.logPrompt.map((log, x) => (law.view.logPrompt[x] === -Infinity ? -Infinity : log));
  const total = Math.log(shown.reduce((sum, log) => sum + Math.exp(log), 0));
  return shown.map((log) => log - total);
}

/** The law of the last frame at a decoding temperature. */
export function decodedPoint(law: Law, step: number, logits: Float32Array, temperature: number): Point {
  return pointOf(law, { step, logQ: decoded(law.view.world, logits, temperature) });
}
