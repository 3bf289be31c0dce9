/** Numbers: sums of probabilities in float64, reproducible random numbers, and arrays stored as text. */

/** log of the sum of exp(values) over some rows; -Infinity for no rows or only -Infinity. */
export function logSumExp(values: ArrayLike<number>, rows?: readonly number[]): number {
  const count = rows ? rows.length : values.length;
  const at = (i: number) => values[rows ? rows[i] : i];
  let top = -Infinity;
  for (let i = 0; i < count; i++) top = Math.max(top, at(i));
  if (top === -Infinity) return -Infinity;
  let sum = 0;
  for (let i = 0; i < count; i++) sum += Math.exp(at(i) - top);
  return top + Math.log(sum);
}

/** p log p from log p, with 0 log 0 = 0. */
export function pLogP(logP: number): number {
  return logP === -Infinity ? 0 : Math.exp(logP) * logP;
}

/** p (log p - log q), with 0 where p is 0 and Infinity where only q is 0. */
export function pLogRatio(logP: number, logQ: number): number {
  return logP === -Infinity ? 0 : Math.exp(logP) * (logP - logQ);
}

/**
 * A generator of uniform numbers in [0, 1) with 32 bits. Equal seeds give equal numbers, on every machine.
 *
 * Source: the public-domain generator mulberry32 of T. Ettinger (2017), with the seeds mixed by its own finaliser.
 */
export function uniform(...seeds: number[]): () => number {
  let state = 0x9e3779b9;
  const scramble = (value: number) => {
    let t = value >>> 0;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  };
  for (const seed of seeds) state = scramble(state + Math.imul(seed + 1, 0x6d2b79f5));
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    return scramble(state) / 4294967296;
  };
}

/** A generator of standard normal numbers (Box and Muller, 1958). */
export function normal(dice: () => number): () => number {
  return () => Math.sqrt(-2 * Math.log(1 - dice())) * Math.cos(2 * Math.PI * dice());
}

/** A random order of the numbers 0 to count - 1 (Fisher and Yates). */
export function permutation(count: number, dice: () => number): number[] {
  const order = Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(dice() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

/** The number that 16 bits stand for, as IEEE 754 half precision. */
export function fromHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** Numbers that are stored as base64 of little-endian half precision. */
export function halves(text: string): Float32Array {
  const bytes = atob(text);
  const found = new Float32Array(bytes.length / 2);
  for (let i = 0; i < found.length; i++) {
    found[i] = fromHalf(bytes.charCodeAt(2 * i) | (bytes.charCodeAt(2 * i + 1) << 8));
  }
  return found;
}

/** A hash of a text: 8 hexadecimal digits (FNV-1a with 32 bits). */
export function hashOf(text: string): string {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash.toString(16).padStart(8, "0");
}
