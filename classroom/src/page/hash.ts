/** The state of the page in the hash of its address. Only what differs from the defaults is written. */
import type { Settings, World } from "../contract.js";
import { lessons } from "../lessons/index.js";
import { FIELDS, inside, last } from "./fields.js";

export type Language = "en" | "zh";
export type Axes = "auto" | "linear" | "log";
export interface Shown { settings: Settings; language: Language; lesson: string; axes: Axes; prompt: number }

/** What a value of an address has to be. */
export type Need = { kind: "number"; least: number; most: number; whole: boolean } | { kind: "one"; of: readonly string[] } | { kind: "short"; most: number } | { kind: "setting" };
export interface Fault { key: string; found: string; need: Need }

const LONGEST = 20000; // characters of own sentences
const whole = (most: number): Need => ({ kind: "number", least: 0, most, whole: true });

/** Text of the hash, without "#". Its inverse is `read`. */
export function write(shown: Shown, defaults: Settings): string {
  const out = new URLSearchParams();
  out.set("lang", shown.language);
  if (shown.lesson) out.set("lesson", shown.lesson);
  if (shown.axes !== "auto") out.set("axes", shown.axes);
  if (shown.prompt) out.set("prompt", String(shown.prompt));
  for (const key of Object.keys(defaults) as (keyof Settings)[]) {
    if (shown.settings[key] !== defaults[key]) out.set(key, String(shown.settings[key]));
  }
  return out.toString();
}

/** One setting from its text, or what it has to be. */
function setting(key: string, text: string): { value: string | number } | { need: Need } {
  if (key === "own") return text.length <= LONGEST ? { value: text } : { need: { kind: "short", most: LONGEST } };
  const field = FIELDS.find((f) => f.key === key);
  if (!field) return { need: { kind: "setting" } };
  if (field.kind === "choice" && field.key !== "style") return field.options.includes(text) ? { value: text } : { need: { kind: "one", of: field.options } };
  const { least, most, whole } = field.kind === "choice" ? { least: 0, most: 127, whole: true } : field;
  const value = Number(text);
  const good = text.trim() !== "" && Number.isFinite(value) && value >= least && value <= most && (!whole || Number.isInteger(value));
  return good ? { value } : { need: { kind: "number", least, most, whole } };
}

/**
 * Read a hash. If anything in it is wrong, all settings are the defaults, and the first fault is told. `worldOf` gives the world
 * of settings, or null: what an address names has to be in it, and defaults that it lacks become the last that it has.
 */
export function read(hash: string, defaults: Settings, language: Language, worldOf: (settings: Settings) => World | null): { shown: Shown; fault: Fault | null } {
  const shown: Shown = { settings: { ...defaults }, language, lesson: "", axes: "auto", prompt: 0 };
  let fault: Fault | null = null;
  const wrong = (key: string, found: string, need: Need): void => void (fault ??= { key, found: found.slice(0, 40), need });
  const settings: Record<string, string | number> = {};
  for (const [key, text] of new URLSearchParams(hash.replace(/^#/, ""))) {
    if (key === "lang") {
      if (text === "en" || text === "zh") shown.language = text;
      else wrong(key, text, { kind: "one", of: ["en", "zh"] });
    } else if (key === "lesson") {
      if (lessons.some((one) => one.id === text)) shown.lesson = text;
      else wrong(key, text, { kind: "one", of: lessons.map((one) => one.id) });
    } else if (key === "axes") {
      if (text === "linear" || text === "log") shown.axes = text;
      else wrong(key, text, { kind: "one", of: ["linear", "log"] });
    } else if (key === "prompt") {
      if (/^\d{1,3}$/.test(text)) shown.prompt = Number(text);
      else wrong(key, text, whole(999));
    } else {
      const got = setting(key, text);
      if ("value" in got) settings[key] = got.value;
      else wrong(key, text, got.need);
    }
  }
  const all: Settings = { ...defaults, ...settings };
  const world = fault ? null : worldOf(all);
  for (const key of ["style", "shots"] as const) {
    const most = world ? last(key, all, world) : Infinity;
    if (key in settings && all[key] > most) wrong(key, String(all[key]), whole(most));
  }
  const prompts = world ? Math.max(...world.prompt) : Infinity;
  if (shown.prompt > prompts) wrong("prompt", String(shown.prompt), whole(prompts));
  if (!fault) shown.settings = world ? inside(all, world) : all;
  else Object.assign(shown, { lesson: "", axes: "auto", prompt: 0 });
  return { shown, fault };
}
