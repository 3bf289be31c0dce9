/** The parameters of the transformer: names and shapes as in `sim/models/transformer.py`, fresh values, and adapters. */

import type { World } from "../contract";
import { halves, normal, uniform } from "../laws/numbers";
import { longest } from "../laws/own";

export interface Shape {
  name: string;
  shape: number[];
}

/** Arrays by name. */
export type Values = Record<string, Float32Array>;

/** The parameters of a world's model, in the order in which Python writes them. */
export function shapesOf(world: World): Shape[] {
  const { width, depth, mlpRatio } = world.model;
  const hidden = mlpRatio * width;
  const found: Shape[] = [];
  for (let i = 0; i < depth; i++) {
    const at = (name: string, ...shape: number[]) => found.push({ name: `blocks.${i}.${name}`, shape });
    at("attention_norm.scale", width);
    at("down.bias", width);
    at("down.kernel", width, hidden);
    at("hidden_norm.scale", width);
    at("out.kernel", width, width);
    at("qkv.kernel", width, 3 * width);
    at("up.bias", hidden);
    at("up.kernel", width, hidden);
  }
  found.push({ name: "embed.embedding", shape: [world.symbols.length + 1, width] });
  found.push({ name: "head.kernel", shape: [width, world.symbols.length] });
  found.push({ name: "norm.scale", shape: [width] });
  found.push({ name: "position", shape: [longest(world), width] });
  return found;
}

export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, one) => product * one, 1);
}

/** The arrays that a flat list of numbers holds. Raises RangeError if the number of numbers is another. */
export function unflat(numbers: Float32Array, shapes: readonly Shape[]): Values {
  const found: Values = {};
  let begin = 0;
  for (const { name, shape } of shapes) {
    found[name] = numbers.slice(begin, begin + sizeOf(shape));
    begin += sizeOf(shape);
  }
  if (begin !== numbers.length) {
    throw new RangeError(`q0: ${begin} parameters are required, found ${numbers.length}; take them from the same world`);
  }
  return found;
}

/** All parameters one after the other. */
export function flat(values: Values, shapes: readonly Shape[]): Float32Array {
  const found = new Float32Array(shapes.reduce((sum, { shape }) => sum + sizeOf(shape), 0));
  let begin = 0;
  for (const { name } of shapes) {
    found.set(values[name], begin);
    begin += values[name].length;
  }
  return found;
}

/** q0 of a world with a pretrained model. */
export function stored(world: World): Values {
  if (world.q0 === null) throw new RangeError(`world: a pretrained model is required, found none; pretrain it first`);
  return unflat(halves(world.q0.half), world.q0.arrays);
}

/** Fresh parameters: normal embeddings and LeCun-normal matrices, scales of 1, biases of 0. */
export function fresh(world: World, seed: number): Values {
  const found: Values = {};
  shapesOf(world).forEach(({ name, shape }, index) => {
    const draw = normal(uniform(seed, index, 23));
    const inputs = name === "embed.embedding" || name === "position" || isTransposed(name) ? shape[1] : shape[0];
    const size = sizeOf(shape);
    if (shape.length === 1) found[name] = new Float32Array(size).fill(name.endsWith("scale") ? 1 : 0);
    else found[name] = Float32Array.from({ length: size }, () => draw() / Math.sqrt(inputs));
  });
  return found;
}

/** Whether a matrix is stored as [out, in]. */
export function isTransposed(name: string): boolean {
  return name.includes("down.kernel");
}

/** The change of an adapted matrix is ALPHA / rank times the product of its factors, as in `conf/config.yaml`. */
export const ALPHA = 8;

/**
 * The factors of low-rank adapters, named <matrix>/first [rows x rank] and <matrix>/second [rank x columns]. The factor
 * on the side of the input begins with normal numbers of variance 1 / (size of the input), the other one with 0.
 * Source: `sim/training/adapter.py`; E. Hu et al., 2022, "LoRA: low-rank adaptation of large language models".
 */
export function factors(shapes: readonly Shape[], rank: number, seed: number): { shapes: Shape[]; values: Values } {
  const found: Shape[] = [];
  const values: Values = {};
  shapes.forEach(({ name, shape }, index) => {
    if (shape.length < 2) return;
    const draw = normal(uniform(seed, index, 29));
    const [rows, columns] = shape;
    const random = (inputs: number, size: number) => Float32Array.from({ length: size }, () => draw() / Math.sqrt(inputs));
    const [first, second] = [`${name}/first`, `${name}/second`];
    found.push({ name: first, shape: [rows, rank] }, { name: second, shape: [rank, columns] });
    values[first] = isTransposed(name) ? new Float32Array(rows * rank) : random(rows, rows * rank);
    values[second] = isTransposed(name) ? random(columns, rank * columns) : new Float32Array(rank * columns);
  });
  return { shapes: found, values };
}
