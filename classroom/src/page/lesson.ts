/** Lessons: predict, then do, then see. The picture answers the prediction; no sentence says "wrong". */
import type { Lesson, LessonText, Seen } from "../contract.js";
import type { Texts } from "../text/texts.js";
import type { Language } from "./hash.js";
import { el } from "./dom.js";

export interface Steps { choose: (id: string) => void; predicted: () => void; start: () => void; leave: () => void }

export class LessonPanel {
  readonly box = el("div", { class: "lessons" });
  private chosen = -1;
  private started = false;
  private lesson: Lesson | null = null;
  private readonly after = el("div", { class: "after", "aria-live": "polite" });

  constructor(private readonly lessons: readonly Lesson[], private readonly language: Language, private readonly t: Texts, private readonly steps: Steps) {}

  private text(lesson: Lesson): LessonText {
    return lesson[this.language];
  }

  /** Show the list, or one lesson. */
  show(id: string): void {
    const lesson = this.lessons.find((one) => one.id === id) ?? null;
    if (lesson !== this.lesson) Object.assign(this, { lesson, chosen: -1, started: false });
    this.box.replaceChildren(...(lesson ? this.one(lesson) : this.list()));
  }

  /** Go on where another panel was, in another language. */
  resume(other: LessonPanel | undefined): void {
    if (other) Object.assign(this, { lesson: other.lesson, chosen: other.chosen, started: other.started });
  }

  /** Whether a lesson is shown whose training has not begun. */
  get open(): boolean {
    return this.lesson !== null && !this.started;
  }

  /** Why nothing may be trained yet, or "". */
  get locked(): string {
    return this.open && this.chosen < 0 ? this.t.lesson.first : "";
  }

  private list(): HTMLElement[] {
    const items = this.lessons.map((lesson) => el("li", {}, el("button", { type: "button", class: "lesson", click: () => this.steps.choose(lesson.id) }, this.text(lesson).title)));
    return [el("p", { class: "lead" }, this.t.lesson.lead), el("ol", {}, ...items)];
  }

  private one(lesson: Lesson): HTMLElement[] {
    const { t } = this;
    const text = this.text(lesson);
    const start = el("button", { type: "button", class: "main", id: "lesson-start", disabled: this.chosen < 0, click: () => this.begin() }, t.lesson.start);
    const choices = text.choices.map((words, i) => {
      const radio = el("input", { type: "radio", name: "prediction", value: i, checked: i === this.chosen, change: () => { this.chosen = i; start.disabled = false; this.steps.predicted(); } });
      return el("label", { class: "prediction" }, radio, el("span", {}, words));
    });
    const number = this.lessons.indexOf(lesson) + 1;
    const budget = t.lesson.budget(lesson.budget.steps, lesson.budget.seconds);
    this.after.replaceChildren();
    return [
      el("button", { type: "button", class: "plain", click: () => this.steps.leave() }, t.lesson.back),
      el("h2", {}, `${number}. ${text.title}`),
      this.started
        ? el("div", {}, el("p", {}, text.question), el("ul", {}, ...text.choices.map((words) => el("li", {}, words))),
          el("p", { class: "predicted" }, el("b", {}, t.lesson.predicted), " ", text.choices[this.chosen] ?? "–"))
        : el("fieldset", {}, el("legend", {}, el("b", {}, t.lesson.predict), " ", text.question), ...choices),
      el("p", {}, el("b", {}, t.lesson.do), " ", text.do), start, el("small", {}, budget),
      el("p", { class: "look" }, el("b", {}, t.lesson.see), " ", text.look), this.after,
    ];
  }

  /** Train with the present settings, which what there is to do may have changed. */
  begin(): void {
    const { lesson } = this;
    if (!lesson) return;
    this.started = true;
    this.box.replaceChildren(...this.one(lesson));
    this.box.querySelector<HTMLElement>("#lesson-start")?.focus();
    this.steps.start();
  }

  /** Tell what has appeared, at the end of the training. */
  seen(seen: Seen): void {
    const { lesson, t } = this;
    if (!lesson || !this.started || this.after.firstChild || seen.tuning.length === 0) return;
    const text = this.text(lesson);
    if (!lesson.shown(seen)) return this.after.append(el("p", {}, t.lesson.notYet));
    const [proved] = text.theory.match(/^t\d+(?=-)/) ?? [""];
    const meaning = [el("p", {}, text.after), el("p", { class: "theory" }, t.lesson.theory(proved.toUpperCase(), text.theorem ?? ""))];
    this.after.append(el("button", { type: "button", id: "lesson-meaning", click: () => this.after.replaceChildren(...meaning) }, t.lesson.meaning));
  }
}
