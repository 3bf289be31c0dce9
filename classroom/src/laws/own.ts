/** Own sentences: from the text of a box to a world. */

import type { World } from "../contract";
import { hashOf } from "./numbers";
import { lengthOf } from "./views";

export const MAX_LINES = 128;
export const MAX_TOKENS = 20;
export const MAX_STYLES = 8;

interface Line {
  words: string[];
  style: string;
  weight: number;
}

const HAN = /[\u3400-\u9fff\uf900-\ufaff]/;

/** The tokens of a sentence: words between spaces, or single characters of Chinese text without spaces. */
function wordsOf(sentence: string, byCharacter: boolean): string[] {
  if (!byCharacter) return sentence.split(/\s+/);
  return sentence.match(/[A-Za-z0-9]+|\S/gu) ?? [];
}

function parseLine(text: string, number: number, byCharacter: boolean): Line | string {
  const parts = text.split(/[|｜]/).map((part) => part.trim());
  const here = `line ${number}`;
  if (parts.length > 3) {
    return `${here}: at most "sentence | style | weight" is required, found ${parts.length} parts; remove a |`;
  }
  const [sentence, style = "", weight = ""] = parts;
  if (!sentence) return `${here}: a sentence before the first | is required, found nothing; write one or delete the line`;
  const words = wordsOf(sentence, byCharacter);
  if (words.length >= MAX_TOKENS) {
    return `${here}: at most ${MAX_TOKENS - 1} words are required, found ${words.length}; shorten the sentence`;
  }
  const value = weight === "" ? 1 : Number(weight);
  if (!(value > 0 && value < Infinity)) {
    return `${here}: a positive number is required as weight, found "${weight}"; write one such as 2, or leave it out`;
  }
  return { words, style: style || "-", weight: value };
}

/**
 * The world of some sentences, one "sentence | style | weight" per line, or one line that says what is wrong. Style and
 * weight may be missing. P is proportional to the weights. There are no prompts.
 */
export function parseOwn(text: string): World | string {
  const lines: Line[] = [];
  const sentences = text.split(/\r?\n/).map((line) => line.trim());
  const byCharacter = sentences.every((line) => HAN.test(line.split(/[|｜]/)[0]) || line === "") && HAN.test(text);
  for (const [index, line] of sentences.entries()) {
    if (line === "") continue;
    const parsed = parseLine(line, index + 1, byCharacter);
    if (typeof parsed === "string") return parsed;
    const twin = lines.find((one) => one.words.join(" ") === parsed.words.join(" "));
    if (twin && twin.style !== parsed.style) {
      return `line ${index + 1}: one style per sentence is required, found "${parsed.style}" after "${twin.style}"; change one`;
    }
    if (twin) twin.weight += parsed.weight;
    else lines.push(parsed);
    if (lines.length > MAX_LINES) {
      return `line ${index + 1}: at most ${MAX_LINES} different sentences are required, found more; delete some`;
    }
  }
  if (lines.length < 2) return `own: at least 2 different sentences are required, found ${lines.length}; write more lines`;
  const styles = [...new Set(lines.map((line) => line.style))];
  if (styles.length > MAX_STYLES) {
    return `own: at most ${MAX_STYLES} styles are required, found ${styles.length}; use fewer names`;
  }
  return built(lines, styles, byCharacter, text);
}

function built(lines: Line[], styles: string[], byCharacter: boolean, text: string): World {
  const symbols = ["<eos>", ...new Set(lines.flatMap((line) => line.words))];
  const length = Math.max(...lines.map((line) => line.words.length)) + 1;
  const total = lines.reduce((sum, line) => sum + line.weight, 0);
  const strings = lines.map((line) =>
    Array.from({ length }, (_, t) => (t < line.words.length ? symbols.indexOf(line.words[t], 1) : 0)),
  );
  const zeros = lines.map(() => 0);
  return {
    name: "own",
    hash: hashOf(text),
    language: HAN.test(text) ? "zh" : "en",
    symbols,
    joiner: byCharacter ? "" : " ",
    styles,
    strings,
    promptLength: [...zeros],
    prompt: [...zeros],
    style: lines.map((line) => styles.indexOf(line.style)),
    posterior: null,
    shots: [...zeros],
    logP: lines.map((line) => Math.log(line.weight / total)),
    model: { width: 32, depth: 2, heads: 2, mlpRatio: 4 },
    q0: null,
    logQ0: null,
  };
}

/** The largest number of tokens of a string, EOS included. */
export function longest(world: World): number {
  return Math.max(...world.strings.map(lengthOf));
}
