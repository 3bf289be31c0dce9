/** The controls of all settings: built from the list of fields, disabled with a reason where they mean nothing. */
import type { Settings, World } from "../contract.js";
import type { Texts } from "../text/texts.js";
import { el } from "./dom.js";
import { FIELDS, GROUPS, idle, options, values, type Choice, type Field, type Key, type Slider } from "./fields.js";
import { plain } from "./format.js";
import type { Tip } from "./tip.js";

type Change = (part: Partial<Settings>) => void;

/** One control: the row of a setting. */
class Control {
  readonly row: HTMLElement;
  private readonly value = el("output", {});
  private readonly reason: HTMLElement;
  private readonly input: HTMLInputElement | HTMLSelectElement;
  private shownOptions = "";

  constructor(readonly field: Field, private readonly t: Texts, tip: Tip, private readonly change: Change) {
    const id = `set-${field.key}`;
    this.reason = el("small", { id: `${id}-why`, class: "why" });
    this.value.htmlFor.add(id);
    const attributes = { id, name: field.key, "aria-describedby": `${id}-why ${id}-help` };
    if (field.kind === "choice") this.input = el("select", { ...attributes, change: () => this.changed() });
    else if (field.kind === "slider") this.input = el("input", { ...attributes, type: "range", min: 0, step: 1, input: () => this.changed() });
    else this.input = el("input", { ...attributes, type: "number", min: field.least, max: field.most, step: 1, change: () => this.changed() });
    const help = t.help[field.key];
    const label = el("label", { for: id }, t.setting[field.key]);
    this.row = el("div", { class: `control ${field.kind}` }, el("div", { class: "head" }, label, this.value), this.input, this.reason, el("span", { id: `${id}-help`, class: "sr" }, help));
    const open = (): void => {
      const frame = this.row.getBoundingClientRect();
      tip.owner = this;
      tip.show([t.setting[field.key], help], Math.min(frame.right, innerWidth - 60), frame.top + 24);
    };
    label.addEventListener("pointerenter", open);
    label.addEventListener("pointerleave", () => tip.hide());
    this.input.addEventListener("focus", () => { if (this.input.matches(":focus-visible") && field.kind !== "choice") open(); });
    this.input.addEventListener("blur", () => tip.hide());
  }

  private changed(): void {
    const { field, input } = this;
    if (field.kind === "choice") return this.change({ [field.key]: field.key === "style" ? Number(input.value) : input.value });
    if (field.kind === "slider") {
      const chosen = this.known[Number(input.value)];
      if (chosen !== undefined) this.change({ [field.key]: chosen });
      return;
    }
    const value = Math.round(Number(input.value));
    if (Number.isFinite(value) && value >= field.least && value <= field.most) this.change({ [field.key]: value });
  }

  private known: number[] = [];

  show(settings: Settings, world: World | null, locked: string | null): void {
    const { field, t } = this;
    const why = idle(field.key, settings);
    const reason = locked ?? (why ? t.idle[why] : "");
    this.input.disabled = reason !== "";
    this.reason.textContent = locked ? "" : reason;
    this.row.classList.toggle("off", reason !== "");
    if (field.kind === "choice") this.showChoice(field, String(settings[field.key]), world);
    else if (field.kind === "slider") this.showSlider(field, Number(settings[field.key]), world);
    else if (document.activeElement !== this.input) this.input.value = String(settings[field.key]);
  }

  private showChoice(field: Choice, now: string, world: World | null): void {
    const names = options(field, world);
    const words = names.map((name) => (field.key === "style" ? this.t.style(world?.styles[Number(name)] ?? "") : this.t.option(field.key, name)));
    if (this.shownOptions !== words.join("|")) {
      this.input.replaceChildren(...names.map((name, i) => el("option", { value: name }, words[i])));
      this.shownOptions = words.join("|");
    }
    this.input.value = now;
  }

  private showSlider(field: Slider, now: number, world: World | null): void {
    this.known = values(field, now, world);
    this.input.setAttribute("max", String(this.known.length - 1));
    this.input.value = String(this.known.indexOf(now));
    const words = this.t.value(field.key, now, plain(now));
    this.value.textContent = words;
    this.input.setAttribute("aria-valuetext", words);
  }
}

/** All controls, in groups that open and close. The first group is open. */
export class Controls {
  readonly box: HTMLElement;
  private readonly controls: Control[];
  private readonly note = el("p", { class: "why" });

  constructor(t: Texts, tip: Tip, change: Change, own: HTMLElement, reset: () => void) {
    this.controls = FIELDS.map((field) => new Control(field, t, tip, change));
    const rows = (keys: (key: Key, field: Field) => boolean): HTMLElement[] => this.controls.filter((c) => keys(c.field.key, c.field)).map((c) => c.row);
    const groups = GROUPS.map((group) => {
      const inside = rows((_, field) => field.group === group);
      if (group === "data") return el("div", { class: "group" }, inside[0], own, ...inside.slice(1));
      return el("details", { class: "group" }, el("summary", {}, t.group[group]), ...inside);
    });
    const again = el("button", { type: "button", class: "plain", click: reset }, t.defaults);
    this.box = el("form", { class: "controls", "aria-label": t.controls, submit: (event: SubmitEvent) => event.preventDefault() }, this.note, ...groups, again);
  }

  /** `locked` is the reason why nothing can be changed, or null. */
  show(settings: Settings, world: World | null, locked: string | null): void {
    this.note.textContent = locked ?? "";
    this.note.hidden = locked === null;
    for (const control of this.controls) control.show(settings, world, locked);
  }
}
