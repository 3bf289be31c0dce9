/** What the page begins with, and what is in its file. */
import recorded from "classroom:recorded";
import worker from "classroom:worker";
import worlds from "classroom:worlds";
import { DEFAULTS, type Lesson, type RecordedRun, type Settings, type World } from "../contract.js";
import { parseOwn } from "../laws/index.js";
import { lessons } from "../lessons/index.js";
import { en } from "../text/en.js";
import type { Texts } from "../text/texts.js";
import { zh } from "../text/zh.js";
import { read, type Fault, type Language, type Shown } from "./hash.js";

export const TEXTS: Record<Language, Texts> = { en, zh };

/** The first settings: all data of one style, the assistant's, in the reader's language. The rate is low, so that the change can be watched. */
export function firstSettings(language: Language): Settings {
  const world = language === "zh" && worlds["chinese"] ? "chinese" : "english";
  return { ...DEFAULTS, world, style: 3, rate: 0.001 };
}

/** A lesson by its id. */
export const lessonOf = (id: string): Lesson | undefined => lessons.find((one) => one.id === id);

/** The settings with which a lesson begins, and without a lesson the first settings of the page. */
export function beginning(language: Language, lesson: Lesson | undefined): Settings {
  const first = firstSettings(language);
  if (!lesson) return first;
  const { own } = lesson[language];
  return { ...DEFAULTS, world: first.world, ...lesson.settings, ...(own ? { own } : {}) };
}

/** What an address holds. A lesson in it begins with its own settings; after a fault there is no lesson. */
export function addressed(hash: string): { shown: Shown; fault: Fault | null } {
  const language = firstLanguage();
  const asked = lessonOf(new URLSearchParams(hash.slice(1)).get("lesson") ?? "");
  const found = read(hash, beginning(language, asked), language, (settings) => worldOf(settings, language));
  if (found.fault) found.shown.settings = firstSettings(found.shown.language);
  return found;
}

/** Settings in another language: the world and the sentences of the beginning become those of the other. */
export function translated(settings: Settings, from: Settings, to: Settings): Settings {
  const change = (key: "world" | "own"): Partial<Settings> => (settings[key] === from[key] ? { [key]: to[key] } : {});
  return { ...settings, ...change("world"), ...change("own") };
}

/** A frozen world; null for own sentences, and where the file has no such world. */
export function frozen(name: Settings["world"]): World | null {
  return worlds[name] ?? null;
}

/** The world of some settings; null where own sentences have a mistake, and where the file has no such world. */
export function worldOf(settings: Settings, language: Language): World | null {
  if (settings.world !== "own") return frozen(settings.world);
  const parsed = parseOwn(settings.own || TEXTS[language].own.example);
  return typeof parsed === "string" ? null : parsed;
}

/** The language that the address or the browser asks for. */
export function firstLanguage(): Language {
  const asked = new URLSearchParams(location.hash.slice(1)).get("lang") ?? new URLSearchParams(location.search).get("lang");
  if (asked === "en" || asked === "zh") return asked;
  return navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
}

/** Start a worker from its text, because a page from a file may not load another file. */
export function makeWorker(): Worker {
  return new Worker(URL.createObjectURL(new Blob([worker], { type: "text/javascript" })));
}

/** Why nothing can be trained in this browser, or null. */
export function unable(): string | null {
  if (typeof Worker === "undefined") return "Web Worker";
  if (typeof WebAssembly === "undefined") return "WebAssembly";
  return null;
}

export const RECORDED: readonly RecordedRun[] = recorded;
