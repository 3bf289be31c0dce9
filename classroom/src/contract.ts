/**
 * The types that the exporter, the engine, the laws, the lessons and the page agree on.
 *
 * All logarithms are natural, and all numbers of laws are float64. In a world with prompts a law is a law of the
 * answer: "log q" of a string is log q(y|x), the answer given its prompt. In a world without prompts it is the whole
 * document, which is the answer to the empty prompt.
 */

export type WorldName = "english" | "chinese" | "examples" | "own";

/** A finite language P with a pretrained model q0. `classroom/worlds.py` writes it; own sentences are parsed. */
export interface World {
  name: WorldName;
  hash: string;
  language: "en" | "zh";
  symbols: string[]; // index 0 is <eos>
  joiner: "" | " "; // between words when a string is shown
  styles: string[]; // names, the same in every language of the interface; the page translates them
  strings: number[][]; // N x L, padded with 0 (EOS)
  promptLength: number[]; // tokens of the prompt of each string; 0 without prompts
  prompt: number[]; // index of the prompt of each string; every index from 0 to the number of prompts - 1 occurs
  style: number[]; // index of the (likeliest) style of each string
  posterior: number[][] | null; // N x styles, P(z | whole string); null where every string determines its style
  shots: number[]; // worked examples before the question (world "examples"), else 0
  logP: number[]; // log P(x, y) of whole documents [nat]; exp sums to 1
  model: { width: number; depth: number; heads: number; mlpRatio: number };
  q0: { half: string; arrays: { name: string; shape: number[] }[] } | null; // base64 of float16; null: not pretrained
  logQ0: number[] | null; // Python's log q0(y|x) of each string [nat]
}

/** Everything that a user can change. All of it is in the hash of the page's address. */
export interface Settings {
  world: WorldName;
  model: "transformer" | "table"; // the table is one softmax over the answers of each prompt, and begins at P
  seed: number;
  steps: number;
  keep: "style" | "random_half" | "likeliest_half" | "all_but_mode" | "everything"; // what S keeps in every prompt
  style: number; // which style, for keep = "style"
  temperature: number; // of S: s proportional to p^(1/temperature) within what is kept; see `annotator` for data sets
  replay: number; // lambda: (1 - lambda) S + lambda P
  answers: number; // answers per prompt in a finite data set; 0 means S itself
  epochs: number; // only with answers > 0: passes over the data set, see `stepsOf`; 0 means `steps` decides
  annotator: "sampled" | "homogeneous" | "tempered"; // draws from S at temperature 1, the likeliest, from tempered S
  targets: "exact" | "sampled"; // every step sees all of S with its weights, or `batch` strings drawn from S
  batch: number;
  optimizer: "adam" | "sgd";
  rate: number;
  warmup: number;
  decay: "none" | "cosine";
  rank: number; // LoRA rank; 0 means that all parameters are trained
  shots: number; // for the world "examples": worked examples before the questions that are shown
  decode: number; // decoding temperature, applied after training
  control: "identity" | "style_blind" | "none"; // the same training on P, or on a random set of equal mass and entropy
  own: string; // text of the world "own": one "sentence | style | weight" per line
}

export type Role = "tuning" | "control";

/** Page to worker. "start" also stops what ran before; "go" trains on to a step; "stop" ends after the present step. */
export type Order =
  | { kind: "start"; id: number; world: World; settings: Settings; role: Role; frames: number[]; start?: Float32Array }
  | { kind: "pretrain"; id: number; world: World; seed: number; steps: number }
  | { kind: "go"; id: number; until: number } // a step button is until = current + 1
  | { kind: "stop"; id: number };

/** Worker to page. `id` is that of the order "start" or "pretrain". */
export type News =
  | { kind: "ready"; device: Device; reason: string }
  | { kind: "frame"; id: number; role: Role; step: number; logQ: Float64Array; fit: number; ms: number }
  | { kind: "nodes"; id: number; role: Role; step: number; logits: Float32Array } // with the last frame: nodes x symbols
  | { kind: "pretrained"; id: number; logQ: Float64Array; params: Float32Array } // params: for "start" of own sentences
  | { kind: "done"; id: number; role: Role; stopped: boolean; step: number }
  | { kind: "failed"; id: number; why: string }; // one line: argument, requirement, value, fix

export type Device = "wasm" | "webgpu" | "none";

/** A step of a training and the law after it; `fit` of the news is KL(S || q) [nat]. */
export interface Frame {
  step: number;
  logQ: Float64Array;
}

/** A run that was recorded, for browsers without WASM or workers. */
export interface RecordedRun {
  settings: Settings;
  role: Role;
  steps: number[];
  logQ: string; // base64 of float16, steps x N
  note: string;
}

export interface Seen {
  world: World;
  settings: Settings;
  tuning: Frame[];
  control: Frame[];
  decoded?: { tuning: Frame | null; control: Frame | null }; // the last laws at settings.decode, if that is not 1
}

export interface LessonText {
  title: string;
  question: string;
  choices: string[];
  do: string;
  look: string;
  after: string;
  theory: string; // anchor in docs/theory.md
  theorem?: string; // what that section of the theory says, in one sentence; absent where no theorem is behind a lesson
  own?: string; // the sentences of a lesson on own sentences (world "own"), in this language
}

export interface Lesson {
  id: string;
  settings: Partial<Settings>;
  budget: { steps: number; seconds: number };
  en: LessonText;
  zh: LessonText;
  shown: (seen: Seen) => boolean; // has what the lesson shows appeared?
}

/** What a training learns from. */
export interface Target {
  logS: Float64Array; // log s(y|x) of every string [nat]; -Infinity where s is 0
  logPrompt: Float64Array; // log s(x) of every prompt [nat]
  kept: boolean[]; // which strings S may keep: the event A
  mismatch: { mass: number; entropy: number } | null; // of a style-blind control, see `mismatch` in laws/style_blind.ts
}

/** Which part of a world is looked at: all of it, or the questions after k worked examples (of one style). */
export interface View {
  world: World;
  logP: Float64Array; // log P(y|x) of every string [nat]
  logPrompt: Float64Array; // log of the weight of every prompt in this view [nat]; -Infinity outside of it
  rows: number[][]; // the strings of every prompt
}

/** An exact number has equal ends. */
export interface Bounds {
  lower: number;
  upper: number;
}

/** Forgetting KL(P || q) = gate + kept + erasure [nat], averaged over the prompts of a view. All parts are >= 0. */
export interface GateErasure {
  gate: number;
  kept: number;
  erasure: number;
}

export const DEFAULTS: Settings = {
  world: "english",
  model: "transformer",
  seed: 0,
  steps: 100,
  keep: "style",
  style: 0,
  temperature: 1,
  replay: 0,
  answers: 0,
  epochs: 0,
  annotator: "sampled",
  targets: "exact",
  batch: 32,
  optimizer: "adam",
  rate: 0.003,
  warmup: 0,
  decay: "none",
  rank: 0,
  shots: 0,
  decode: 1,
  control: "identity",
  own: "",
};
