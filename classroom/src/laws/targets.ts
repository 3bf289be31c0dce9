/** What a training learns from: the part of P that S keeps, finite data sets, replay, and the controls. */

import type { Settings, Target, World } from "../contract";
import { logSumExp, permutation, uniform } from "./numbers";
import { blind, mismatch } from "./style_blind";
import { posterior, rowsByPrompt, viewOf } from "./views";

/** log weights of the kept strings before they are normalised [nat], and the event A of strings that may be kept. */
interface Kept {
  weight: Float64Array;
  event: boolean[];
}

/**
 * S and A of some settings. Within every prompt S keeps a part A of the answers; s(y|x) is proportional to
 * p(y|x)^(1/temperature) there. A finite data set replaces it by the shares among drawn answers; replay mixes P in.
 * Prompts keep their weights P(x). The world "examples" is different: its documents of a latent style z follow P(x, y | z).
 * Raises RangeError with one line for settings that leave nothing.
 */
export function target(world: World, settings: Settings): Target {
  return targetOn(world, settings, chosen(world, settings));
}

/**
 * S and A of the control: P itself, or a random set with the mass and the entropy of A at every prompt. Raises RangeError
 * with one line where no such set but A itself exists: where S keeps every answer with its own weight, no set is random.
 */
export function controlTarget(world: World, settings: Settings): Target {
  if (settings.control === "style_blind") {
    const kept = chosen(world, settings);
    const own = targetOn(world, settings, kept);
    const event = kept.event.every(Boolean) ? kept.event : blind(viewOf(world), kept.weight, settings.seed);
    if (event.every((is, row) => is === kept.event[row])) {
      throw new RangeError("control: a part of P that leaves out answers is required for a random one of equal size, found none; choose another part, or another control");
    }
    const random = targetOn(world, settings, keptRows(world, event));
    return { ...random, mismatch: mismatch(viewOf(world), own, random) };
  }
  const all = { keep: "everything", temperature: 1, answers: 0, replay: 0 } as const;
  return target(world, { ...settings, ...all });
}

/** The number of steps of a training: `steps`, or with a finite data set and `epochs` as many as its passes need. */
export function stepsOf(world: World, settings: Settings): number {
  if (!(settings.answers > 0 && settings.epochs > 0)) return settings.steps;
  if (settings.targets === "exact") return settings.epochs; // a step sees the whole data set
  return Math.ceil((settings.epochs * settings.answers * rowsByPrompt(world).length) / settings.batch);
}

/** The weights with which a step scores the strings: s(x) s(y|x), or the shares among `batch` independent draws. */
export function weights(target: Target, world: World, settings: Settings, dice: () => number): Float64Array {
  const exact = Float64Array.from(target.logS, (log, row) => Math.exp(log + target.logPrompt[world.prompt[row]]));
  if (settings.targets === "exact") return exact;
  const upto = exact.slice();
  for (let row = 1; row < upto.length; row++) upto[row] += upto[row - 1];
  const counts = new Float64Array(exact.length);
  for (let i = 0; i < settings.batch; i++) counts[found(upto, dice())] += 1 / settings.batch;
  return counts;
}

/** The first index whose cumulative weight is above a share of the total. */
function found(upto: Float64Array, share: number): number {
  const wanted = share * upto[upto.length - 1];
  let [low, high] = [0, upto.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (upto[middle] > wanted) high = middle;
    else low = middle + 1;
  }
  return low;
}

function keptRows(world: World, event: boolean[]): Kept {
  return { event, weight: Float64Array.from(world.logP, (log, row) => (event[row] ? log : -Infinity)) };
}

/** The part of P that the settings keep. */
function chosen(world: World, settings: Settings): Kept {
  const view = viewOf(world);
  const event = new Array<boolean>(world.logP.length).fill(false);
  if (settings.keep === "everything") return keptRows(world, event.fill(true));
  if (settings.keep === "style") {
    const weight = Float64Array.from(world.logP, (log, row) => log + Math.log(posterior(world, row, settings.style)));
    return { weight, event: Array.from(weight, (log) => log > -Infinity) };
  }
  view.rows.forEach((rows, prompt) => {
    const byMass = [...rows].sort((a, b) => view.logP[b] - view.logP[a] || a - b);
    if (settings.keep === "all_but_mode") {
      for (const row of byMass.slice(1)) event[row] = true;
      return;
    }
    const random = permutation(rows.length, uniform(settings.seed, prompt, 3)).map((i) => rows[i]);
    let mass = 0;
    for (const row of settings.keep === "likeliest_half" ? byMass : random) {
      if (mass >= 0.5 - 1e-12) break;
      event[row] = true;
      mass += Math.exp(view.logP[row]);
    }
  });
  return keptRows(world, event);
}

function targetOn(world: World, settings: Settings, kept: Kept): Target {
  const view = viewOf(world);
  const latent = world.posterior !== null;
  const logS = new Float64Array(world.logP.length).fill(-Infinity);
  const logPrompt = new Float64Array(view.rows.length).fill(-Infinity);
  view.rows.forEach((rows, prompt) => {
    const log = logSumExp(kept.weight, rows);
    if (log === -Infinity) return;
    logPrompt[prompt] = latent ? log : view.logPrompt[prompt];
    const law = tempered(kept.weight, rows, settings.answers > 0 && settings.annotator === "sampled" ? 1 : settings.temperature);
    const given = settings.answers > 0 ? drawn(law, prompt, settings) : law;
    rows.forEach((row, i) => (logS[row] = given[i]));
  });
  const total = logSumExp(logPrompt);
  if (total === -Infinity) {
    throw new RangeError(`keep: a part of P with at least one string is required, found none; choose another part`);
  }
  for (let x = 0; x < logPrompt.length; x++) logPrompt[x] -= total;
  return mixed({ logS, logPrompt, kept: kept.event, mismatch: null }, world, settings.replay);
}

/** log of weights^(1/temperature), normalised over some rows. */
function tempered(weight: Float64Array, rows: number[], temperature: number): Float64Array {
  if (!(temperature > 0)) {
    throw new RangeError(`temperature: a positive number is required, found ${temperature}; choose one above 0`);
  }
  const scaled = Float64Array.from(rows, (row) => weight[row] / temperature);
  const total = logSumExp(scaled);
  return scaled.map((log) => log - total);
}

/** log of the shares of the answers in a finite data set for one prompt: many draws, or always the likeliest. */
function drawn(law: Float64Array, prompt: number, settings: Settings): Float64Array {
  const counts = new Float64Array(law.length);
  if (settings.annotator === "homogeneous") counts[law.indexOf(Math.max(...law))] = 1;
  else {
    const upto = law.map((log) => Math.exp(log));
    for (let i = 1; i < upto.length; i++) upto[i] += upto[i - 1];
    const dice = uniform(settings.seed, prompt, 5);
    for (let i = 0; i < settings.answers; i++) counts[found(upto, dice())] += 1 / settings.answers;
  }
  return counts.map((share) => Math.log(share));
}

/** (1 - share) S + share P, as laws of whole documents. */
function mixed(own: Target, world: World, share: number): Target {
  if (!(share > 0)) return own;
  const view = viewOf(world);
  const [mine, other] = [Math.log(1 - share), Math.log(share)];
  const joint = Float64Array.from(world.logP, (log, row) =>
    logSumExp([mine + own.logS[row] + own.logPrompt[world.prompt[row]], other + log]),
  );
  const logPrompt = Float64Array.from(view.rows, (rows) => logSumExp(joint, rows));
  return { ...own, logS: joint.map((log, row) => log - logPrompt[world.prompt[row]]), logPrompt };
}
