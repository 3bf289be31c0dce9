/** Quantities of a law q on the strings of a world: float64, averaged over the prompts of a view. */

import type { Bounds, GateErasure, View } from "../contract";
import { logSumExp, pLogP, pLogRatio, uniform } from "./numbers";
import { posterior } from "./views";

/** The weight of a prompt in a view. */
function weight(view: View, prompt: number): number {
  return Math.exp(view.logPrompt[prompt]);
}

/** The mean over the prompts of a view. */
function mean(view: View, of: (rows: number[], prompt: number) => number): number {
  let sum = 0;
  view.rows.forEach((rows, prompt) => {
    const share = weight(view, prompt);
    if (share > 0) sum += share * of(rows, prompt);
  });
  return sum;
}

/** The mass of q(.|x) on the listed answers of a prompt. */
function listed(logQ: Float64Array, rows: number[]): number {
  return rows.reduce((sum, row) => sum + Math.exp(logQ[row]), 0);
}

/** The mass of q off the listed answers [1]. It is a difference, so rounding can make it slightly negative. */
export function likelyOutside(view: View, logQ: Float64Array): number {
  return mean(view, (rows) => 1 - listed(logQ, rows));
}

/**
 * H(q), the entropy of an answer [nat]. Mass u off the list adds at least -u log u (all of it is one string), and at most
 * u times the log of the number of token sequences up to the horizon more. Without such mass the bounds are equal.
 */
export function entropy(view: View, logQ: Float64Array): Bounds {
  const { world } = view;
  const horizon = Math.max(...world.strings.map((tokens, row) => tokens.length - world.promptLength[row]));
  const spread = horizon * Math.log(world.symbols.length);
  const bounds = { lower: 0, upper: 0 };
  view.rows.forEach((rows, prompt) => {
    const share = weight(view, prompt);
    if (!(share > 0)) return;
    const inside = -rows.reduce((sum, row) => sum + pLogP(logQ[row]), 0);
    const outside = 1 - listed(logQ, rows);
    const atLeast = outside > 0 ? -outside * Math.log(outside) : 0;
    bounds.lower += share * (inside + atLeast);
    bounds.upper += share * (inside + atLeast + (outside > 1e-12 ? outside * spread : 0));
  });
  return bounds;
}

/**
 * KL(a || b) of answers [nat], averaged over the prompts of the view or over other weights. It is Infinity if b misses
 * a string of a. The mass of b off the list needs no term.
 */
export function kl(view: View, logA: Float64Array, logB: Float64Array, logPrompt = view.logPrompt): number {
  return mean({ ...view, logPrompt }, (rows) => rows.reduce((sum, row) => sum + pLogRatio(logA[row], logB[row]), 0));
}

/**
 * Forgetting KL(P || q) = gate + kept + erasure, with B the strings that S does not keep. gate: the mass that moved
 * between A, B and everything else; kept: P(A) KL(P_A || q_A); erasure: P(B) KL(P_B || q_B).
 * Source: `sim/metrics/forgetting.py`, class GateErasure.
 */
export function gateErasure(view: View, kept: readonly boolean[], logQ: Float64Array): GateErasure {
  const parts: GateErasure = { gate: 0, kept: 0, erasure: 0 };
  view.rows.forEach((rows, prompt) => {
    const share = weight(view, prompt);
    if (!(share > 0)) return;
    for (const side of ["kept", "erasure"] as const) {
      const own = rows.filter((row) => kept[row] === (side === "kept"));
      const [massP, massQ] = [logSumExp(view.logP, own), logSumExp(logQ, own)];
      if (massP === -Infinity) continue;
      parts.gate += share * pLogRatio(massP, massQ);
      if (massQ === -Infinity) continue; // the gate is infinite already
      const within = own.reduce((sum, row) => sum + pLogRatio(view.logP[row] - massP, logQ[row] - massQ), 0);
      parts[side] += share * Math.exp(massP) * within;
    }
  });
  return parts;
}

/** The mass of every style under q [1]; with the mass off the list it sums to 1. */
export function styleMass(view: View, logQ: Float64Array): number[] {
  const { world } = view;
  return world.styles.map((_, z) =>
    mean(view, (rows) => rows.reduce((sum, row) => sum + Math.exp(logQ[row]) * posterior(world, row, z), 0)),
  );
}

/** Independent draws from q(.|x): rows of the world, or -1 for something that is not in the language. */
export function answers(view: View, prompt: number, logQ: Float64Array, count: number, seed: number): number[] {
  const rows = view.rows[prompt];
  const dice = uniform(seed, prompt, 17);
  return Array.from({ length: count }, () => {
    let left = dice();
    for (const row of rows) {
      left -= Math.exp(logQ[row]);
      if (left < 0) return row;
    }
    return 1 - listed(logQ, rows) > 1e-9 ? -1 : rows.reduce((best, row) => (logQ[row] > logQ[best] ? row : best));
  });
}
