/** Laws from the logits of a model at the nodes of the prefix trie. */

import type { World } from "../contract";
import { type Trie, trieOf } from "./views";

/**
 * log q(y|x) of every string at a decoding temperature [nat]: the sum over the tokens of the answer of
 * log softmax(logits / temperature). It is exact up to the rounding of the logits. Raises RangeError for a temperature
 * that is not positive.
 */
export function decoded(
  world: World,
  logits: ArrayLike<number>,
  temperature = 1,
  trie: Trie = trieOf(world.strings),
): Float64Array {
  if (!(temperature > 0)) {
    throw new RangeError(`decode: a positive temperature is required, found ${temperature}; choose one above 0`);
  }
  const symbols = world.symbols.length;
  const logTotal = new Float64Array(trie.size);
  for (let node = 0; node < trie.size; node++) {
    let top = -Infinity;
    for (let a = 0; a < symbols; a++) top = Math.max(top, logits[node * symbols + a]);
    let sum = 0;
    for (let a = 0; a < symbols; a++) sum += Math.exp((logits[node * symbols + a] - top) / temperature);
    logTotal[node] = top / temperature + Math.log(sum);
  }
  return Float64Array.from(world.strings, (tokens, row) => {
    let sum = 0;
    const path = trie.path[row];
    for (let t = world.promptLength[row]; t < path.length; t++) {
      sum += logits[path[t] * symbols + tokens[t]] / temperature - logTotal[path[t]];
    }
    return sum;
  });
}
