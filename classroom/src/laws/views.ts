/** Views of a world, and its prefix trie. */

import type { View, World } from "../contract";
import { logSumExp } from "./numbers";

/** P(z | whole string). */
export function posterior(world: World, row: number, style: number): number {
  return world.posterior ? world.posterior[row][style] : Number(world.style[row] === style);
}

/** The strings of every prompt. */
export function rowsByPrompt(world: World): number[][] {
  const rows: number[][] = [];
  world.prompt.forEach((prompt, row) => (rows[prompt] ??= []).push(row));
  return rows;
}

/**
 * A view of a world. With `shots` only the questions after so many worked examples are in it; with `style` as well,
 * the prompts have the weights P(x | shots, z). Without both it is the whole world with the prompts of P. Raises RangeError
 * with one line if nothing of the world is in the view.
 */
export function viewOf(world: World, only: { shots?: number; style?: number } = {}): View {
  const rows = rowsByPrompt(world);
  const logP = new Float64Array(world.logP.length);
  const logPrompt = new Float64Array(rows.length);
  const weight = Float64Array.from(world.logP);
  world.logP.forEach((log, row) => {
    const hidden = only.shots !== undefined && world.shots[row] !== only.shots;
    weight[row] = hidden ? -Infinity : log + (only.style === undefined ? 0 : Math.log(posterior(world, row, only.style)));
  });
  const total = logSumExp(weight);
  if (!(total > -Infinity)) {
    const [most, last] = [Math.max(...world.shots), world.styles.length - 1];
    const found = `shots = ${only.shots ?? "any"} and style = ${only.style ?? "any"}`;
    throw new RangeError(`shots: 0 to ${most} worked examples and a style from 0 to ${last} are required, found ${found}; choose others`);
  }
  rows.forEach((own, prompt) => {
    const logX = logSumExp(world.logP, own);
    for (const row of own) logP[row] = world.logP[row] - logX;
    logPrompt[prompt] = logSumExp(weight, own) - total;
  });
  return { world, logP, logPrompt, rows };
}

/** The number of tokens of a string, its EOS included. */
export function lengthOf(tokens: readonly number[]): number {
  const end = tokens.indexOf(0);
  return end < 0 ? tokens.length : end + 1;
}

/** The prefixes of all strings. Node 0 is the empty prefix; the others are in the order of their first appearance. */
export interface Trie {
  size: number;
  path: number[][]; // for every string, the node before each of its tokens
  parent: number[];
  token: number[]; // the token that leads to a node; -1 at the root
  depth: number[];
}

export function trieOf(strings: readonly (readonly number[])[]): Trie {
  const children: Map<number, number>[] = [new Map()];
  const trie: Trie = { size: 1, path: [], parent: [-1], token: [-1], depth: [0] };
  for (const tokens of strings) {
    const path: number[] = [];
    let node = 0;
    for (let t = 0; t < lengthOf(tokens); t++) {
      path.push(node);
      if (t + 1 === lengthOf(tokens)) break;
      let next = children[node].get(tokens[t]);
      if (next === undefined) {
        next = trie.size++;
        children[node].set(tokens[t], next);
        children.push(new Map());
        trie.parent.push(node);
        trie.token.push(tokens[t]);
        trie.depth.push(trie.depth[node] + 1);
      }
      node = next;
    }
    trie.path.push(path);
  }
  return trie;
}

/** A string as text. With `answerOnly` its prompt is left out. */
export function shown(world: World, row: number, answerOnly = true): string {
  const tokens = world.strings[row];
  const end = tokens.indexOf(0);
  const words = tokens.slice(answerOnly ? world.promptLength[row] : 0, end < 0 ? tokens.length : end);
  return words.map((token) => world.symbols[token]).join(world.joiner);
}

/** The text of a prompt. */
export function promptText(world: World, prompt: number): string {
  const row = world.prompt.indexOf(prompt);
  return world.strings[row].slice(0, world.promptLength[row]).map((token) => world.symbols[token]).join(world.joiner);
}
