/** The pictures of the page, from top to bottom, and how each is redrawn from a scene. */
import { promptText } from "../laws/index.js";
import type { Texts } from "../text/texts.js";
import { Answers } from "./answers.js";
import { drawDots } from "./charts/dots.js";
import { drawForgetting } from "./charts/forgetting.js";
import { EMPTY, Panel, type Drawing } from "./charts/panel.js";
import { drawStyles } from "./charts/styles.js";
import { el } from "./dom.js";
import { markSvg } from "./looks.js";
import { SIDES, type Scene, type Side } from "./model.js";
import { tidy } from "./format.js";
import { drawNumbers } from "./numbers.js";
import { headline } from "./headline.js";
import type { Tip } from "./tip.js";

type Draw = (scene: Scene, side: Side, width: number, height: number) => Drawing;

/** A picture of the tuning with that of the control beside it, on the same axes. */
class Pair {
  readonly box: HTMLElement;
  readonly curves: boolean; // over steps, which are always at temperature 1
  private readonly panels: Record<Side, Panel>;
  private readonly titles: Record<Side, HTMLElement> = { tuning: el("h3", {}), control: el("h3", {}) };
  private readonly halves: Record<Side, HTMLElement>;
  private readonly caption = el("p", { class: "caption" });

  constructor(id: string, t: Texts, title: string, private readonly says: (log: boolean) => string, tip: Tip, private readonly draw: Draw, private readonly height: (log: boolean) => number, extra?: HTMLElement) {
    const panel = (side: Side): Panel => new Panel(tip, `${title}: ${side === "tuning" ? t.charts.tuning : t.charts.control("identity")}`, t.charts.waiting);
    this.curves = id !== "dots";
    this.titles.tuning.textContent = t.charts.tuning;
    this.titles.control.textContent = t.charts.control("identity");
    this.panels = { tuning: panel("tuning"), control: panel("control") };
    this.panels.tuning.peers = [this.panels.control];
    this.panels.control.peers = [this.panels.tuning];
    const half = (side: Side): HTMLElement => el("div", { class: "half" }, this.titles[side], this.panels[side].box);
    this.halves = { tuning: half("tuning"), control: half("control") };
    const head = el("div", { class: "section-head" }, el("h2", {}, title), extra);
    this.box = el("section", { id }, head, el("div", { class: "pair" }, this.halves.tuning, this.halves.control), this.caption);
  }

  /** Whether the pair can be seen; measures its pictures. */
  measure(): boolean {
    return SIDES.map((side) => this.panels[side].measure()).some(Boolean);
  }

  /** `note` is said below the picture, too. */
  show(scene: Scene, note: string): void {
    const height = this.height(scene.logAxes);
    this.caption.textContent = [this.says(scene.logAxes), note].filter(Boolean).join(" ");
    const alone = scene.settings.control === "none";
    this.halves.control.hidden = alone;
    this.titles.control.textContent = scene.t.charts.control(scene.settings.control);
    for (const side of SIDES) {
      const panel = this.panels[side];
      if (side === "control" && alone) continue;
      panel.draw(scene[side].length ? this.draw(scene, side, panel.width, height) : EMPTY, height);
    }
  }
}

/** Height of a picture [px]: a share of the window, between two ends. */
const tall = (least: number, share: number, most: number) => (): number => Math.round(Math.min(most, Math.max(least, share * innerHeight)));

export interface Reacts { prompt: (index: number) => void; again: () => void; axes: (log: boolean) => void }

export class Sections {
  readonly box: HTMLElement;
  readonly headline = el("p", { class: "headline" });
  private readonly legend = el("ul", { class: "legend" });
  private readonly prompt: HTMLSelectElement;
  private readonly promptRow: HTMLElement;
  private readonly log: HTMLInputElement;
  private readonly answers: Answers;
  private readonly pairs: Pair[];
  private readonly note = el("p", { class: "caption note" });
  private readonly decoded = el("p", { class: "caption note", id: "decoded" });
  private readonly table = el("table", {});
  private known = "";

  constructor(private readonly t: Texts, tip: Tip, reacts: Reacts) {
    this.answers = new Answers(tip, t);
    this.prompt = el("select", { id: "prompt", "aria-label": t.prompt, change: () => reacts.prompt(Number(this.prompt.value)) });
    this.promptRow = el("span", { class: "prompt" }, this.prompt);
    this.log = el("input", { type: "checkbox", id: "log-axes", change: () => reacts.axes(this.log.checked) });
    const axes = el("label", { class: "check" }, this.log, t.charts.axes);
    const again = el("button", { type: "button", class: "plain", id: "again", click: reacts.again }, t.again);
    const c = t.charts;
    this.pairs = [
      new Pair("styles", t, c.stylesTitle, (log) => (log ? c.stylesCaptionLog : c.stylesCaption), tip, drawStyles, (log) => (log ? tall(330, 0.46, 460) : tall(228, 0.31, 330))(), axes),
      new Pair("dots", t, c.dotsTitle, () => c.dotsCaption, tip, drawDots, tall(300, 0.5, 460)),
      new Pair("forgetting", t, c.forgettingTitle, () => c.forgettingCaption, tip, drawForgetting, tall(260, 0.38, 360)),
    ];
    const head = el("div", { class: "section-head" }, el("h2", {}, t.answers.title), this.promptRow, this.legend);
    const scroll = el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": t.numbers.title }, this.table);
    this.box = el("main", { id: "main", tabindex: -1 },
      this.headline, this.decoded,
      el("section", { id: "answers" }, head, this.answers.box, el("p", { class: "caption" }, t.answers.caption, " ", again)),
      ...this.pairs.map((pair) => pair.box),
      el("section", { id: "numbers" }, el("h2", {}, t.numbers.title), scroll, el("p", { class: "caption" }, t.numbers.caption), this.note),
      el("footer", {}, t.charts.keyboard, " ", t.footer),
    );
  }

  /** Draw everything, or, while a training runs, what can be seen. */
  show(scene: Scene, prompt: number, seed: number, notes: { decoded: string; blind: string }, running: boolean): void {
    const seen = this.pairs.filter((pair) => pair.measure() || !running);
    const table = !running || this.table.getBoundingClientRect().top < innerHeight;
    this.setPrompts(scene, prompt);
    this.log.checked = scene.logAxes;
    this.answers.draw(scene, prompt, seed);
    for (const pair of seen) pair.show(scene, pair.curves ? notes.decoded : "");
    if (table) drawNumbers(scene, this.table);
    this.note.textContent = [notes.decoded, notes.blind].filter(Boolean).join(" ");
    this.decoded.textContent = notes.decoded;
    this.decoded.hidden = notes.decoded === "";
    this.headline.textContent = headline(scene);
  }

  private setPrompts(scene: Scene, prompt: number): void {
    const { view, world } = scene;
    const asked = view.rows.flatMap((_, x) => (view.logPrompt[x] === -Infinity ? [] : [x]));
    const key = `${world.hash}/${asked.join()}`;
    if (this.known !== key) {
      this.known = key;
      this.prompt.replaceChildren(...asked.map((x) => el("option", { value: x }, tidy(promptText(world, x)) || this.t.noPrompt)));
      this.promptRow.hidden = asked.length < 2 && promptText(world, asked[0] ?? 0) === "";
      const names = world.styles.map((name, k) => [k, this.t.style(name)] as const);
      this.legend.innerHTML = [...names, [-1, this.t.outside] as const].map(([k]) => `<li>${markSvg(k, 20)}<span></span></li>`).join("");
      [...this.legend.querySelectorAll("span")].forEach((span, i) => (span.textContent = names[i]?.[1] ?? this.t.outside));
    }
    this.prompt.value = String(prompt);
  }
}
