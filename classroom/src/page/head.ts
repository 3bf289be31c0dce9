/** The head of the page: title, play, step, reset, how far the training is, language, and what is wrong. */
import type { Texts } from "../text/texts.js";
import { el } from "./dom.js";
import type { Phase } from "./runs.js";

export interface Orders { play: () => void; step: () => void; reset: () => void; language: () => void; tab: (name: "controls" | "lessons") => void }

export class Head {
  readonly box: HTMLElement;
  readonly tabs: HTMLElement;
  private readonly play: HTMLButtonElement;
  private readonly step: HTMLButtonElement;
  private readonly reset: HTMLButtonElement;
  private readonly language: HTMLButtonElement;
  private readonly counter = el("span", { class: "counter", id: "counter" });
  private readonly bar = el("i", {});
  private readonly status = el("p", { class: "sr", role: "status", id: "status" });
  private readonly alert = el("p", { class: "alert", role: "alert" });
  private readonly names: Record<"controls" | "lessons", HTMLButtonElement>;

  constructor(private readonly t: Texts, orders: Orders) {
    const button = (id: string, words: string, click: () => void, extra = {}): HTMLButtonElement => el("button", { type: "button", id, click, ...extra }, words);
    this.play = button("play", t.play, orders.play, { class: "main" });
    this.step = button("step", t.step, orders.step, { title: t.stepHelp });
    this.reset = button("reset", t.reset, orders.reset);
    this.language = button("language", t.other, orders.language, { class: "plain", lang: t.lang === "en" ? "zh-CN" : "en", "aria-label": `${t.other}: ${t.otherLabel}` });
    this.names = { controls: button("tab-controls", t.tabs.controls, () => orders.tab("controls")), lessons: button("tab-lessons", t.tabs.lessons, () => orders.tab("lessons")) };
    this.tabs = el("div", { class: "tabs" }, this.names.controls, this.names.lessons);
    const progress = el("div", { class: "progress" }, this.counter, el("span", { class: "bar", "aria-hidden": "true" }, this.bar));
    this.box = el("header", {}, el("h1", {}, t.title), el("div", { class: "buttons" }, this.play, this.step, this.reset, progress), this.language, this.status, this.alert);
  }

  /** `play` is the word on the first button; `locked` says why nothing can be trained yet, or is empty. */
  show(phase: Phase, play: string, counter: string, share: number, alert: string, locked: string): void {
    const running = phase === "running";
    this.play.textContent = running ? `❚❚ ${this.t.pause}` : `▶ ${play}`;
    this.play.disabled = locked !== "" || phase === "waiting" || phase === "pretraining";
    this.play.title = locked;
    this.step.disabled = locked !== "" || !(phase === "ready" || phase === "paused");
    this.reset.disabled = phase === "waiting" || phase === "pretraining";
    this.counter.textContent = counter;
    this.bar.style.width = `${(100 * share).toFixed(1)}%`;
    if (this.alert.textContent !== alert) this.alert.textContent = alert;
    this.alert.hidden = alert === "";
    document.documentElement.dataset["phase"] = phase;
  }

  /** Tell a screen reader where the training is. */
  say(words: string): void {
    if (this.status.textContent !== words) this.status.textContent = words;
  }

  mark(tab: string): void {
    for (const [name, button] of Object.entries(this.names)) button.setAttribute("aria-expanded", String(name === tab));
  }

  focusLanguage(): void {
    this.language.focus();
  }
}
