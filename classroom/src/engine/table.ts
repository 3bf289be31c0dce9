/** The table: one logit for each string, one softmax over the answers of each prompt. Float64, in plain JavaScript. */

import type { Settings, World } from "../contract";
import { logSumExp } from "../laws/numbers";
import { trieOf, viewOf } from "../laws/views";
import { ADAM, type Look, type Trainer } from "./trainer";

/**
 * A flat table that begins at P. The gradient of the cross-entropy at a string is w(x) q(y|x) - w(x, y), where w are the
 * weights of the step. The mass never leaves the list. Source: `sim/models/tabular_strings.py`, trained on answers.
 */
export class Table implements Trainer {
  readonly #world: World;
  readonly #rows: number[][];
  readonly #adam: boolean;
  readonly #logits: Float64Array;
  readonly #first: Float64Array;
  readonly #second: Float64Array;
  #count = 0;
  #next: { gradient: Float64Array; rate: number } | null = null;

  constructor(world: World, settings: Settings) {
    const view = viewOf(world);
    this.#world = world;
    this.#rows = view.rows;
    this.#adam = settings.optimizer === "adam";
    this.#logits = view.logP.slice();
    this.#first = new Float64Array(this.#logits.length);
    this.#second = new Float64Array(this.#logits.length);
  }

  /** log q(y|x) of every string [nat]. */
  law(): Float64Array {
    const logQ = new Float64Array(this.#logits.length);
    for (const rows of this.#rows) {
      const total = logSumExp(this.#logits, rows);
      for (const row of rows) logQ[row] = this.#logits[row] - total;
    }
    return logQ;
  }

  prepare(weights: Float64Array, rate: number): { law: () => Promise<Look> } {
    const logQ = this.law();
    const gradient = new Float64Array(logQ.length);
    for (const rows of this.#rows) {
      let whole = 0;
      for (const row of rows) whole += weights[row];
      for (const row of rows) gradient[row] = whole * Math.exp(logQ[row]) - weights[row];
    }
    this.#next = { gradient, rate };
    return { law: async () => ({ logQ, nodes: nodesOf(this.#world, logQ) }) };
  }

  async commit(): Promise<void> {
    if (this.#next === null) return;
    const { gradient, rate } = this.#next;
    this.#count++;
    const { b1, b2, eps } = ADAM;
    const [firstScale, secondScale] = [1 / (1 - b1 ** this.#count), 1 / (1 - b2 ** this.#count)];
    for (let row = 0; row < gradient.length; row++) {
      const g = gradient[row];
      if (!this.#adam) {
        this.#logits[row] -= rate * g;
        continue;
      }
      this.#first[row] = b1 * this.#first[row] + (1 - b1) * g;
      this.#second[row] = b2 * this.#second[row] + (1 - b2) * g * g;
      const divisor = Math.sqrt(this.#second[row] * secondScale) + eps;
      this.#logits[row] -= (rate * this.#first[row] * firstScale) / divisor;
    }
    this.#next = null;
  }

  dispose(): void {}
}

/** log of the conditional mass of every token at every node of the trie; -Infinity off the list, 0 in prompts. */
export function nodesOf(world: World, logQ: Float64Array): Float32Array {
  const trie = trieOf(world.strings);
  const symbols = world.symbols.length;
  const mass = new Float64Array(trie.size * symbols);
  world.strings.forEach((tokens, row) => {
    trie.path[row].forEach((node, t) => (mass[node * symbols + tokens[t]] += Math.exp(logQ[row])));
  });
  return Float32Array.from(mass, (one) => Math.log(one));
}
