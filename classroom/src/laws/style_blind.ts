/** A random set of answers with the mass and the entropy of a given one: mass is removed, but no style. */

import type { Target, View } from "../contract";
import { logSumExp, pLogP, permutation, uniform } from "./numbers";

const RESTARTS = 40;

interface Goal {
  mass: number;
  entropy: number;
}

/** The mass of a set of answers, and the entropy of the law within it, from the sums of p and of -p log p. */
function state(mass: number, surprise: number): Goal {
  return { mass, entropy: surprise / mass + Math.log(mass) };
}

/** The larger of the relative mismatch in mass and the mismatch in entropy [nat]. */
function miss(found: Goal, goal: Goal): number {
  return found.mass > 0 ? Math.max(Math.abs(found.mass / goal.mass - 1), Math.abs(found.entropy - goal.entropy)) : Infinity;
}

/**
 * A random set A' of answers with the mass P(A|x) and the entropy of P_A(.|x) at every prompt, as well as a local search
 * over single flips and swaps finds it. A is given by its log weights (log P plus the log of the share of the style).
 * The set differs from A at every prompt where another set was found. How far it is from A tells `mismatch`.
 */
export function blind(view: View, weight: Float64Array, seed: number): boolean[] {
  const event = new Array<boolean>(view.logP.length).fill(false);
  view.rows.forEach((rows, prompt) => {
    const whole = logSumExp(view.world.logP, rows);
    const log = logSumExp(weight, rows);
    if (log === -Infinity) return;
    const inside = rows.map((row) => weight[row] - log);
    const goal = { mass: Math.exp(log - whole), entropy: -inside.reduce((sum, one) => sum + pLogP(one), 0) };
    const own = rows.map((row) => weight[row] > -Infinity);
    const p = rows.map((row) => Math.exp(view.logP[row]));
    const found = search(p, own, goal, seed, prompt);
    rows.forEach((row, i) => (event[row] = found[i]));
  });
  return event;
}

/**
 * How far the data of a control are from those of a tuning: over the prompts, the largest relative difference of P(A|x), the
 * mass of P that they may keep, and the largest difference of the entropies of s(.|x) [nat]. Temperature, drawn answers and
 * replay are part of s.
 */
export function mismatch(view: View, own: Target, other: Target): { mass: number; entropy: number } {
  const most = { mass: 0, entropy: 0 };
  view.rows.forEach((rows, prompt) => {
    if (own.logPrompt[prompt] === -Infinity) return;
    const [mine, its] = [own, other].map(({ kept, logS }) => ({
      mass: rows.reduce((sum, row) => sum + (kept[row] ? Math.exp(view.logP[row]) : 0), 0),
      entropy: -rows.reduce((sum, row) => sum + pLogP(logS[row]), 0),
    }));
    most.mass = Math.max(most.mass, Math.abs(its.mass / mine.mass - 1));
    most.entropy = Math.max(most.entropy, Math.abs(its.entropy - mine.entropy));
  });
  return most;
}

function search(p: number[], own: boolean[], goal: Goal, seed: number, prompt: number): boolean[] {
  const same = (set: boolean[]) => set.every((kept, i) => kept === own[i]);
  let best: { set: boolean[]; at: Goal } | null = null;
  for (let restart = 0; restart < RESTARTS; restart++) {
    const order = permutation(p.length, uniform(seed, prompt, restart, 11));
    const set = new Array<boolean>(p.length).fill(false);
    let mass = 0;
    for (const i of order) {
      if (mass + p[i] / 2 > goal.mass) continue;
      set[i] = true;
      mass += p[i];
    }
    const at = improve(p, set, goal);
    if (!same(set) && (best === null || miss(at, goal) < miss(best.at, goal))) best = { set, at };
  }
  return best?.set ?? own;
}

/** Makes the best flip or swap until none helps, in place. Returns mass and entropy of the set. */
function improve(p: number[], set: boolean[], goal: Goal): Goal {
  const sums = (flipped: number[]) => {
    let [mass, surprise] = [0, 0];
    p.forEach((one, i) => {
      if (set[i] === flipped.includes(i)) return;
      mass += one;
      surprise -= one * Math.log(one);
    });
    return { mass, surprise };
  };
  let { mass, surprise } = sums([]);
  for (let move = 0; move < 100; move++) {
    const now = miss(state(mass, surprise), goal);
    let best = { cost: now, flipped: [] as number[] };
    const consider = (flipped: number[]) => {
      let [m, s] = [mass, surprise];
      for (const i of flipped) {
        const sign = set[i] ? -1 : 1;
        m += sign * p[i];
        s -= sign * p[i] * Math.log(p[i]);
      }
      const cost = m > 1e-12 ? miss(state(m, s), goal) : Infinity;
      if (cost < best.cost) best = { cost, flipped };
    };
    for (let i = 0; i < p.length; i++) {
      consider([i]);
      for (let j = i + 1; j < p.length; j++) if (set[i] !== set[j]) consider([i, j]);
    }
    if (best.flipped.length === 0 || now < 1e-6) break;
    for (const i of best.flipped) set[i] = !set[i];
    ({ mass, surprise } = sums([])); // anew, so that rounding does not add up
  }
  return state(mass, surprise);
}
