/** The transformer, trained by jax-js. A program depends on the world, the optimiser and the rank, and on no number. */

import { jit, nn, numpy as np, tree, valueAndGrad } from "@jax-js/jax";
import type { Settings, World } from "../contract";
import { decoded } from "../laws/decoding";
import { type Trie, trieOf } from "../laws/views";
import { adapted, type Array, type Arrays, type Inputs, logits } from "./forward";
import { type Layout, layoutOf, targetsOf } from "./layout";
import { ALPHA, factors, flat, fresh, type Shape, shapesOf, stored, unflat, type Values } from "./parameters";
import { ADAM, type Look, type Trainer } from "./trainer";

/** What one step is a function of, all of it traced: no new weights and no new rate compile anything. */
type Step = (
  state: State,
  base: Arrays,
  inputs: Inputs,
  weights: Array,
  numbers: { rate: Array; first: Array; second: Array; decay: Array },
) => { logits: Array; next: State };

/** The trained arrays and the moments of their gradients, which SGD does not have. */
type State = {
  trained: Arrays;
  first: Arrays;
  second: Arrays;
};

interface Program {
  step: Step;
  layout: Layout;
  trie: Trie;
  inputs: Inputs;
}

const programs = new Map<string, Program>();
const KEPT = 4; // programs

/** Forget all programs: their arrays are on a device that is not used any more. */
export function forgetPrograms(): void {
  programs.clear();
}

function inputsOf(world: World, layout: Layout): Inputs {
  const { blocks, nodes } = layout;
  const length = shapesOf(world).find(({ name }) => name === "position")!.shape[0];
  const oneHot = (indices: Int32Array, classes: number): Array => {
    const found = new Float32Array(indices.length * classes);
    indices.forEach((index, row) => (found[row * classes + index] = 1));
    return np.array(found).reshape([indices.length, classes]);
  };
  const mask = Float32Array.from(layout.seen, (seen) => (seen ? 0 : -1e9));
  return {
    token: oneHot(layout.token, world.symbols.length + 1),
    depth: oneHot(layout.depth, length),
    mask: np.array(mask).reshape([blocks, 1, nodes, nodes]),
  };
}

/** One Adam step, without correction of the rounding of tiny squares. Source: `sim/optimizers/adam.py`. */
function adam(state: State, gradient: Arrays, numbers: Parameters<Step>[4]): State {
  const { b1, b2, eps } = ADAM;
  const map = tree.map as (f: (...arrays: Array[]) => Array, ...trees: Arrays[]) => Arrays;
  const first = map((m, g) => m.mul(b1).add(g.mul(1 - b1)), state.first, tree.ref(gradient));
  const second = map((v, g) => v.mul(b2).add(np.square(g).mul(1 - b2)), state.second, gradient);
  const trained = map(
    (p, m, v) => {
      const direction = m.mul(numbers.first.ref).div(np.sqrt(v.mul(numbers.second.ref)).add(eps));
      return p.ref.sub(direction.add(p.mul(numbers.decay.ref)).mul(numbers.rate.ref));
    },
    state.trained,
    tree.ref(first),
    tree.ref(second),
  );
  for (const one of Object.values(numbers)) one.dispose();
  return { trained, first, second };
}

function sgd(state: State, gradient: Arrays, numbers: Parameters<Step>[4]): State {
  const trained: Arrays = {};
  for (const [name, p] of Object.entries(state.trained)) trained[name] = p.sub(gradient[name].mul(numbers.rate.ref));
  for (const one of Object.values(numbers)) one.dispose();
  return { trained, first: {}, second: {} };
}

function programOf(world: World, optimizer: Settings["optimizer"], rank: number): Program {
  const key = [world.name, world.hash, optimizer, rank].join(" ");
  const before = programs.get(key);
  if (before) return before;
  const layout = layoutOf(world);
  const { blocks, nodes } = layout;
  const loss = (trained: Arrays, base: Arrays, inputs: Inputs, weights: Array): [Array, Array] => {
    const params = rank > 0 ? adapted(base, trained, ALPHA / rank) : trained;
    const found = logits(world, blocks, nodes, params, inputs);
    return [np.sum(nn.logSoftmax(found.ref, -1).mul(weights)).mul(-1), found];
  };
  const gradient = valueAndGrad(loss, { hasAux: true });
  const oneStep: Step = (state, base, inputs, weights, numbers) => {
    const [[value, found], slopes] = gradient(tree.ref(state.trained), base, inputs, weights);
    value.dispose();
    return { logits: found, next: (optimizer === "adam" ? adam : sgd)(state, slopes as Arrays, numbers) };
  };
  const step = jit(oneStep) as unknown as Step;
  const program = { step, layout, trie: trieOf(world.strings), inputs: inputsOf(world, layout) };
  programs.set(key, program);
  if (programs.size > KEPT) {
    const oldest = programs.keys().next().value as string;
    for (const one of Object.values(programs.get(oldest)!.inputs)) one.dispose();
    programs.delete(oldest);
  }
  return program;
}

function onDevice(values: Values, shapes: readonly Shape[]): Arrays {
  return Object.fromEntries(shapes.map(({ name, shape }) => [name, np.array(values[name]).reshape(shape)]));
}

/** How a transformer begins and what it is trained on; `start` replaces the stored q0. */
export interface Beginning {
  start?: Float32Array;
  isFresh?: boolean; // begin from random parameters and score prompts too: a pretraining
  weightDecay?: number;
}

export class Transformer implements Trainer {
  readonly #world: World;
  readonly #program: Program;
  readonly #shapes: Shape[];
  readonly #onDocument: boolean;
  readonly #decay: number;
  readonly #base: Arrays;
  #state: State;
  #pending: { logits: Array; next: State } | null = null;
  #count = 0;

  constructor(world: World, settings: Settings, beginning: Beginning = {}) {
    this.#world = world;
    this.#shapes = shapesOf(world);
    this.#onDocument = beginning.isFresh === true;
    this.#decay = beginning.weightDecay ?? 0;
    const begun = beginning.start ? unflat(beginning.start, this.#shapes) : null;
    const values = begun ?? (beginning.isFresh ? fresh(world, settings.seed) : stored(world));
    this.#program = programOf(world, settings.optimizer, settings.rank);
    const adapters = settings.rank > 0 ? factors(this.#shapes, settings.rank, settings.seed) : null;
    this.#base = adapters ? onDevice(values, this.#shapes) : {};
    const trained = adapters ? onDevice(adapters.values, adapters.shapes) : onDevice(values, this.#shapes);
    const zeros = (): Arrays => (settings.optimizer === "adam" ? tree.map((one: Array) => np.zerosLike(one.ref), trained) : {});
    this.#state = { trained, first: zeros(), second: zeros() };
  }

  prepare(weights: Float64Array, rate: number): { law: () => Promise<Look> } {
    this.#drop();
    const { step, layout, inputs } = this.#program;
    const places = layout.blocks * layout.nodes;
    const passed = targetsOf(this.#world, layout, weights, this.#onDocument);
    const targets = np.array(passed).reshape([places, this.#world.symbols.length]);
    const next = this.#count + 1;
    const numbers = {
      rate: np.array(rate),
      first: np.array(1 / (1 - ADAM.b1 ** next)),
      second: np.array(1 / (1 - ADAM.b2 ** next)),
      decay: np.array(this.#decay),
    };
    this.#pending = step(tree.ref(this.#state), tree.ref(this.#base), tree.ref(inputs), targets, numbers);
    const { logits: found } = this.#pending;
    return { law: async () => this.#law((await found.ref.data()) as Float32Array) };
  }

  #law(all: Float32Array): Look {
    const symbols = this.#world.symbols.length;
    const { trie, layout } = this.#program;
    const nodes = new Float32Array(trie.size * symbols);
    layout.place.forEach((place, node) => nodes.set(all.subarray(place * symbols, (place + 1) * symbols), node * symbols));
    return { logQ: decoded(this.#world, nodes, 1, trie), nodes };
  }

  async commit(): Promise<void> {
    if (this.#pending === null) return;
    const { next, logits: found } = this.#pending;
    found.dispose();
    tree.dispose(this.#state);
    this.#state = next;
    this.#pending = null;
    this.#count++;
  }

  /** All parameters, one after the other. Only without adapters. */
  async parameters(): Promise<Float32Array> {
    const values: Values = {};
    for (const { name } of this.#shapes) values[name] = (await this.#state.trained[name].ref.data()) as Float32Array;
    return flat(values, this.#shapes);
  }

  #drop(): void {
    if (this.#pending === null) return;
    this.#pending.logits.dispose();
    tree.dispose(this.#pending.next);
    this.#pending = null;
  }

  dispose(): void {
    this.#drop();
    tree.dispose(this.#state);
    tree.dispose(this.#base);
  }
}
