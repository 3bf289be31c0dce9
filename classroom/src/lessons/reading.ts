/** What a lesson reads from the frames of a training, by the same laws and in the same view as the page. */

import type { Frame, Role, Seen, View } from "../contract";
import { entropy, gateErasure, likelyOutside, styleMass, target, viewOf } from "../laws";

/** The numbers of one frame: nats, or shares from 0 to 1. */
export interface Reading {
  step: number;
  entropy: number; // H(q) [nat]; the lower bound where q writes strings off the list
  forgotten: number; // KL(P || q) [nat]
  gate: number;
  erasure: number;
  lost: number; // q(B), the mass of the answers that S does not keep
  outside: number; // mass of what is not in the language
  mass: number[]; // of every style
}

/** The view in which the page shows these settings. */
export function viewed(seen: Seen): View {
  const { world, settings } = seen;
  if (settings.world !== "examples") return viewOf(world);
  return viewOf(world, settings.keep === "style" ? { shots: settings.shots, style: settings.style } : { shots: settings.shots });
}

export function read(seen: Seen, frame: Frame): Reading {
  const view = viewed(seen);
  const { kept } = target(seen.world, seen.settings);
  const parts = gateErasure(view, kept, frame.logQ);
  const prompts = view.logPrompt;
  let lost = 0;
  frame.logQ.forEach((log, row) => {
    if (!kept[row]) lost += Math.exp(log + prompts[seen.world.prompt[row]]);
  });
  return {
    step: frame.step,
    entropy: entropy(view, frame.logQ).lower,
    forgotten: parts.gate + parts.kept + parts.erasure,
    gate: parts.gate,
    erasure: parts.erasure,
    lost,
    outside: likelyOutside(view, frame.logQ),
    mass: styleMass(view, frame.logQ),
  };
}

/** The first and the last reading of one side; null where it has no frame yet. */
export function ends(seen: Seen, role: Role = "tuning"): { first: Reading; last: Reading } | null {
  const frames = seen[role];
  if (frames.length === 0) return null;
  return { first: read(seen, frames[0]), last: read(seen, frames[frames.length - 1]) };
}

/** The entropy of P and of the data S [nat], with the prompts of the view. */
export function truth(seen: Seen): { p: number; s: number } {
  const view = viewed(seen);
  return { p: entropy(view, view.logP).lower, s: entropy(view, target(seen.world, seen.settings).logS).lower };
}

/** The reading whose step is nearest to a wanted one. */
export function near(seen: Seen, step: number, role: Role = "tuning"): Reading {
  const frames = seen[role];
  return read(seen, frames.reduce((best, one) => (Math.abs(one.step - step) < Math.abs(best.step - step) ? one : best)));
}

/** The exponent of a power law between two steps: the slope of log(value) on log(step). */
export function exponent(from: { step: number; value: number }, to: { step: number; value: number }): number {
  return Math.log(to.value / from.value) / Math.log(to.step / from.step);
}
