/** The forward pass of `sim/models/transformer.py` on a layout of prefixes, in jax-js. */

import { nn, numpy as np } from "@jax-js/jax";
import type { World } from "../contract";

export type Array = np.Array;
/** Arrays by name. jax-js counts references: an operation uses its operands up, and `.ref` keeps one. */
export type Arrays = Record<string, Array>;

/** What the model reads: one-hot tokens [R, V + 1] and depths [R, L], and the mask of attention [G, 1, K, K]; R = G K. */
export type Inputs = {
  token: Array;
  depth: Array;
  mask: Array;
};

const EPSILON = 1e-6; // of flax's layer norm

function normed(h: Array, scale: Array): Array {
  const centred = h.sub(np.mean(h.ref, -1, { keepdims: true }));
  const variance = np.mean(np.square(centred.ref), -1, { keepdims: true });
  return centred.div(np.sqrt(variance.add(EPSILON))).mul(scale);
}

/** Logits [R, V] at every place. It uses up the parameters and the inputs. */
export function logits(world: World, blocks: number, nodes: number, p: Arrays, inputs: Inputs): Array {
  const { width, depth, heads } = world.model;
  const size = width / heads;
  let h = np.matmul(inputs.token, p["embed.embedding"]).add(np.matmul(inputs.depth, p["position"]));
  for (let i = 0; i < depth; i++) {
    const of = (name: string): Array => p[`blocks.${i}.${name}`];
    const qkv = np.matmul(normed(h.ref, of("attention_norm.scale")), of("qkv.kernel"));
    const parts = np.transpose(qkv.reshape([blocks, nodes, 3, heads, size]), [2, 0, 3, 1, 4]);
    const [query, key, value] = [parts.ref.slice(0), parts.ref.slice(1), parts.slice(2)];
    const scores = np.matmul(query, np.transpose(key, [0, 1, 3, 2])).mul(size ** -0.5);
    const mixed = np.matmul(nn.softmax(scores.add(inputs.mask.ref), -1), value);
    h = h.add(np.matmul(np.transpose(mixed, [0, 2, 1, 3]).reshape([blocks * nodes, width]), of("out.kernel")));
    const up = np.matmul(normed(h.ref, of("hidden_norm.scale")), of("up.kernel")).add(of("up.bias"));
    h = h.add(np.matmul(nn.gelu(up), np.transpose(of("down.kernel"), [1, 0])).add(of("down.bias")));
  }
  inputs.mask.dispose();
  return np.matmul(normed(h, p["norm.scale"]), p["head.kernel"]);
}

/** Parameters with adapters: W + scale first second for every adapted matrix. It uses up both. */
export function adapted(base: Arrays, factors: Arrays, scale: number): Arrays {
  const found: Arrays = {};
  for (const [name, matrix] of Object.entries(base)) {
    const first = factors[`${name}/first`];
    found[name] = first ? matrix.add(np.matmul(first, factors[`${name}/second`]).mul(scale)) : matrix;
  }
  return found;
}
