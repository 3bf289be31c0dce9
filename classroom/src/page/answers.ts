/** A dozen answers to one prompt, drawn from each law with the same random numbers: before, after, and the control. */
import { answers, shown } from "../laws/index.js";
import type { Texts } from "../text/texts.js";
import { el } from "./dom.js";
import { nats, percent, tidy } from "./format.js";
import { colour, markSvg } from "./looks.js";
import { latest, type Point, type Scene } from "./model.js";
import type { Tip } from "./tip.js";

export const DOZEN = 12;

class Column {
  readonly title = el("h3", {});
  readonly list: HTMLUListElement;
  readonly box: HTMLElement;
  private rows: { words: string; lines: string[] }[] = [];
  private at = -1;
  private html: string | null = null;

  constructor(private readonly tip: Tip, private readonly id: string, title: string) {
    this.title.textContent = title;
    this.list = el("ul", {
      class: "answers", role: "listbox", tabindex: 0, "aria-label": title,
      keydown: (event: KeyboardEvent) => this.key(event),
      focus: () => { if (this.list.matches(":focus-visible")) this.pick(Math.max(0, this.at)); },
      blur: () => this.pick(-1),
      pointerover: (event: PointerEvent) => this.pick(this.indexOf(event)),
      pointerdown: (event: PointerEvent) => this.pick(this.indexOf(event)),
      pointerleave: (event: PointerEvent) => { if (event.pointerType === "mouse") this.pick(-1); },
    });
    this.box = el("div", { class: `column ${id}` }, this.title, this.list);
  }

  private indexOf(event: PointerEvent): number {
    const item = (event.target as Element).closest("li");
    return item ? [...this.list.children].indexOf(item) : -1;
  }

  private key(event: KeyboardEvent): void {
    const last = this.rows.length - 1;
    const next = { ArrowDown: this.at + 1, ArrowUp: this.at - 1, Home: 0, End: last }[event.key];
    if (event.key === "Escape") return this.pick(-1);
    if (next === undefined) return;
    event.preventDefault();
    this.pick(Math.max(0, Math.min(last, next)));
  }

  private pick(index: number): void {
    this.list.children[this.at]?.setAttribute("aria-selected", "false");
    this.at = index;
    const item = this.list.children[index];
    const row = this.rows[index];
    if (!item || !row) {
      this.list.removeAttribute("aria-activedescendant");
      return this.tip.hide();
    }
    item.setAttribute("aria-selected", "true");
    this.list.setAttribute("aria-activedescendant", item.id);
    const frame = item.getBoundingClientRect();
    this.tip.owner = this;
    this.tip.show([row.words, ...row.lines], Math.min(frame.right, frame.left + 220), frame.top + frame.height / 2);
  }

  show(scene: Scene, title: string, point: Point | null, prompt: number, seed: number): void {
    this.title.textContent = title;
    this.list.setAttribute("aria-label", title);
    const drawn = point ? answers(scene.view, prompt, point.logQ, DOZEN, seed) : [];
    this.rows = drawn.map((row) => told(scene, point as Point, row));
    const html = drawn
      .map((row, i) => {
        const style = row < 0 ? -1 : (scene.world.style[row] as number);
        return `<li id="${this.id}${i}" role="option" aria-selected="false" style="--c:${colour(style)}">${markSvg(style)}<span>${plainText(this.rows[i]?.words ?? "")}</span><span class="sr"> (${plainText(styleName(scene, style))})</span></li>`;
      })
      .join("");
    if (html === this.html) return;
    this.html = html;
    this.list.innerHTML = html || `<li role="option" aria-selected="false" class="none">${plainText(scene.t.nothingYet)}</li>`;
  }
}

const plainText = (text: string): string => text.replace(/[&<>]/g, (c) => `&#${c.charCodeAt(0)};`);
const styleName = (scene: Scene, style: number): string => (style < 0 ? scene.t.outside : scene.t.style(scene.world.styles[style] ?? ""));

function told(scene: Scene, point: Point, row: number): { words: string; lines: string[] } {
  const { t, view, world } = scene;
  if (row < 0) return { words: t.noSentence, lines: [t.is(t.outside, `${percent(point.outside)} (${t.certainty.exact})`), t.drawn] };
  return {
    words: tidy(shown(world, row)),
    lines: [
      t.is(t.styleWord, styleName(scene, world.style[row] as number)),
      `P = ${percent(Math.exp(view.logP[row] as number))}, log P = ${nats(view.logP[row] as number)} nat (${t.certainty.exact})`,
      `q = ${percent(Math.exp(point.logQ[row] as number))}, log q = ${nats(point.logQ[row] as number)} nat (${t.certainty.exact})`,
      t.drawn,
    ],
  };
}

export class Answers {
  readonly box: HTMLElement;
  private readonly columns: Column[];

  constructor(tip: Tip, t: Texts) {
    const titles = [t.answers.before, t.answers.after, t.answers.control("identity")];
    this.columns = ["before", "after", "beside"].map((id, i) => new Column(tip, id, titles[i] as string));
    this.box = el("div", { class: "columns" }, ...this.columns.map((column) => column.box));
  }

  draw(scene: Scene, prompt: number, seed: number): void {
    const [before, after, beside] = this.columns as [Column, Column, Column];
    before.show(scene, scene.t.answers.before, scene.before, prompt, seed);
    after.show(scene, scene.t.answers.after, latest(scene, "tuning"), prompt, seed);
    beside.show(scene, scene.t.answers.control(scene.settings.control), latest(scene, "control"), prompt, seed);
    beside.box.hidden = scene.settings.control === "none";
  }
}
