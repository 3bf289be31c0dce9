/** The words of the page. Every language has every key. */
import type { Bounds, Settings } from "../contract.js";
import type { Group, Idle, Key } from "../page/fields.js";
import type { Need } from "../page/hash.js";

export interface Headline {
  step: number;
  total: number;
  keep: Settings["keep"];
  style: string; // name of the kept style
  keptBefore: string; // share of the kept answers, as text
  keptAfter: string;
  counts: { before: string; after: string; control: string | null } | null; // e^H answers, such as 6.1–6.5; null if too vague
  keptControl: string | null;
}

export interface Texts {
  lang: "en" | "zh-CN";
  title: string;
  other: string; // the button for the other language, in that language
  otherLabel: string;
  play: string;
  replay: string; // of a recorded run
  pause: string;
  step: string;
  stepHelp: string;
  reset: string;
  tabs: { controls: string; lessons: string };
  stepOf: (step: number, total: number) => string;
  status: Record<"waiting" | "pretraining" | "ready" | "running" | "paused" | "done" | "failed", string>;
  failed: (why: string) => string;
  slow: (minutes: number) => string; // the rest of a training takes so long
  pretraining: (step: number, total: number) => string;
  headline: (h: Headline) => string;
  untrained: (keep: string) => string;
  style: (name: string) => string;
  styleWord: string;
  outside: string;
  is: (name: string, value: string) => string; // a name and its value
  noSentence: string;
  nothingYet: string;
  keptBy: string;
  prompt: string;
  noPrompt: string;
  again: string;
  drawn: string;
  certainty: { exact: string; bounded: string; estimated: string };
  bounds: (bounds: Bounds, certainty: { exact: string; bounded: string }) => string; // "= 3.214 nat (exact)" or "between a and b nat (bounded)"
  answers: { title: string; before: string; after: string; control: (kind: Settings["control"]) => string; caption: string };
  charts: {
    tuning: string;
    control: (kind: Settings["control"]) => string;
    noControl: string;
    waiting: string;
    entropy: string;
    mass: string;
    slope: string;
    steps: string;
    logq: string;
    logp: string;
    diagonal: string;
    forgetting: string;
    atStep: (step: number) => string;
    gone: (count: number) => string;
    axes: string;
    stylesTitle: string;
    stylesCaption: string;
    stylesCaptionLog: string;
    dotsTitle: string;
    dotsCaption: string;
    forgettingTitle: string;
    forgettingCaption: string;
    keyboard: string;
  };
  parts: Record<"gate" | "kept" | "erasure", string>;
  numbers: {
    title: string;
    caption: string;
    quantity: string;
    unit: string;
    columns: readonly [string, string, string, string, string];
    withReplay: string; // in place of the second column
    entropy: string;
    effective: string;
    answersUnit: string;
    forgotten: string;
    gate: string;
    kept: string;
    erasure: string;
    fit: string;
  };
  controls: string;
  defaults: string;
  group: Record<Group, string>;
  setting: Record<Key, string>;
  help: Record<Key, string>;
  idle: Record<Idle, string>;
  option: (key: Key, name: string) => string;
  value: (key: Key, value: number, plain: string) => string;
  mismatch: (mass: string, entropy: string) => string;
  decodedNote: (temperature: string) => string;
  notDecoded: string;
  own: { label: string; help: string; use: string; example: string };
  lesson: {
    lead: string;
    back: string;
    predict: string;
    do: string;
    see: string;
    start: string;
    predicted: string;
    notYet: string;
    budget: (steps: number, seconds: number) => string;
    first: string; // why nothing is trained before a prediction
    meaning: string; // the button that shows the explanation
    theory: (theorem: string, says: string) => string; // such as T22; empty where nothing is proved
  };
  badHash: (key: string, found: string, need: Need) => string;
  told: (line: string) => string; // a line of the engine, the laws or own sentences that says what is wrong; they are in English
  recorded: { title: string; rounded: string; why: (reason: string) => string; locked: string; none: string };
  skip: string;
  footer: string;
}
