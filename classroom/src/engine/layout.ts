/** How the prefixes of a world are laid out in arrays, so that shared prefixes are computed once and little is padding. */

import type { World } from "../contract";
import { lengthOf, trieOf } from "../laws/views";

/**
 * The strings are divided into blocks of equal prefix, and every block is a trie of its own with K nodes (padding
 * included). Attention is dense within a block and masked to the path from the root. A prefix that several blocks share is
 * computed in each; its weights and its logits are those of the first block.
 */
export interface Layout {
  blocks: number;
  nodes: number; // K, nodes of a block
  token: Int32Array; // blocks x K, the token that leads to a node; V (BOS) at the root and in padding
  depth: Int32Array; // blocks x K
  seen: Uint8Array; // blocks x K x K, whether a node attends to another: its ancestors and itself
  place: Int32Array; // for every node of the world's trie, its first place in blocks x K
  path: number[][]; // for every string, the places at which its tokens are predicted
}

interface Block {
  token: number[];
  depth: number[];
  ancestors: number[][];
  global: number[]; // the node of the world's trie
}

/** The layout of least cost among those whose blocks are the prefixes of one length. */
export function layoutOf(world: World): Layout {
  const longest = Math.max(...world.strings.map(lengthOf));
  let best: { cost: number; blocks: Block[] } | null = null;
  for (let cut = 0; cut <= longest; cut++) {
    const blocks = blocksOf(world, cut);
    const cost = blocks.length * costOf(world, Math.max(...blocks.map((block) => block.token.length)));
    if (best === null || cost < best.cost) best = { cost, blocks };
  }
  return arranged(world, best!.blocks);
}

/** Multiplications of one block of K nodes, up to a factor: matrices, the read-out, and attention between all pairs. */
function costOf(world: World, nodes: number): number {
  const { width, depth, mlpRatio } = world.model;
  const matrices = (4 + 2 * mlpRatio) * width * width * depth + world.symbols.length * width;
  return nodes * (matrices + 4 * nodes * width * depth);
}

function blocksOf(world: World, cut: number): Block[] {
  const trie = trieOf(world.strings);
  const groups = new Map<string, number[]>();
  world.strings.forEach((tokens, row) => {
    const key = tokens.slice(0, cut).join(" ");
    groups.set(key, [...(groups.get(key) ?? []), row]);
  });
  return [...groups.values()].map((rows) => {
    const block: Block = { token: [], depth: [], ancestors: [], global: [] };
    const local = new Map<number, number>();
    for (const row of rows) {
      let above: number[] = [];
      for (const node of trie.path[row]) {
        let at = local.get(node);
        if (at === undefined) {
          at = block.token.length;
          local.set(node, at);
          block.token.push(node === 0 ? world.symbols.length : trie.token[node]);
          block.depth.push(trie.depth[node]);
          block.ancestors.push([...above, at]);
          block.global.push(node);
        }
        above = block.ancestors[at];
      }
    }
    return block;
  });
}

function arranged(world: World, blocks: Block[]): Layout {
  const trie = trieOf(world.strings);
  const nodes = Math.max(...blocks.map((block) => block.token.length));
  const size = blocks.length * nodes;
  const layout: Layout = {
    blocks: blocks.length,
    nodes,
    token: new Int32Array(size).fill(world.symbols.length),
    depth: new Int32Array(size),
    seen: new Uint8Array(size * nodes),
    place: new Int32Array(trie.size).fill(-1),
    path: [],
  };
  blocks.forEach((block, g) => {
    for (let k = 0; k < nodes; k++) {
      const at = g * nodes + k;
      if (k >= block.token.length) {
        layout.seen[at * nodes + k] = 1; // padding sees itself, so that its softmax exists
        continue;
      }
      layout.token[at] = block.token[k];
      layout.depth[at] = block.depth[k];
      for (const other of block.ancestors[k]) layout.seen[at * nodes + other] = 1;
      if (layout.place[block.global[k]] < 0) layout.place[block.global[k]] = at;
    }
  });
  layout.path = trie.path.map((path) => path.map((node) => layout.place[node]));
  return layout;
}

/** The weight of every token at every place [blocks x K x V]: the sum of the weights of the strings that pass it. */
export function targetsOf(world: World, layout: Layout, weights: Float64Array, onDocument: boolean): Float32Array {
  const symbols = world.symbols.length;
  const sums = new Float64Array(layout.blocks * layout.nodes * symbols);
  layout.path.forEach((path, row) => {
    if (weights[row] === 0) return;
    const tokens = world.strings[row];
    for (let t = onDocument ? 0 : world.promptLength[row]; t < path.length; t++) {
      sums[path[t] * symbols + tokens[t]] += weights[row];
    }
  });
  return Float32Array.from(sums);
}
