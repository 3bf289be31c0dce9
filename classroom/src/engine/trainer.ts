/** What the worker asks of a model that is trained, and the parts that all models share. */

import type { Settings } from "../contract";

/** The law of a model before its next step. The logits are computed only if they are asked for. */
export interface Look {
  logQ: Float64Array; // log q(y|x) of every string [nat]
  nodes: Float32Array; // logits at every node of the prefix trie, nodes x symbols
}

export interface Trainer {
  /** Prepare the step with these weights of strings and this rate. `law` reads the law before it. */
  prepare(weights: Float64Array, rate: number): { law: () => Promise<Look> };
  /** Make the prepared step. */
  commit(): Promise<void>;
  dispose(): void;
}

/**
 * The learning rate of a step that is counted from 0: a linear warm-up over w steps, where the first one has rate / w, then
 * a constant or a cosine to 0 at the last step. Source: `sim/optimizers/_schedules.py`.
 */
export function scheduled(settings: Settings, step: number, steps: number): number {
  const { rate, warmup, decay } = settings;
  const rise = Math.min((step + 1) / Math.max(warmup, 1), 1);
  if (decay === "none") return rate * rise;
  const done = Math.min(Math.max(step - warmup, 0) / Math.max(steps - warmup, 1), 1);
  return rate * rise * 0.5 * (1 + Math.cos(Math.PI * done));
}

/** Adam's constants, as in `conf/optimizer/adam.yaml`. */
export const ADAM = { b1: 0.9, b2: 0.999, eps: 1e-8 };
