/** The box for own sentences: one "sentence | style | weight" per line, and one line that says what is wrong. */
import type { World } from "../contract.js";
import { parseOwn } from "../laws/index.js";
import type { Texts } from "../text/texts.js";
import { el } from "./dom.js";

export class Own {
  readonly box: HTMLElement;
  private readonly area: HTMLTextAreaElement;
  private readonly error = el("p", { id: "own-error", class: "error", role: "alert" });

  constructor(private readonly t: Texts, use: (text: string) => void) {
    this.area = el("textarea", { id: "own-text", rows: 6, spellcheck: "false", "aria-describedby": "own-help own-error" });
    const button = el("button", { type: "button", id: "own-use", click: () => { if (this.world(this.area.value)) use(this.area.value); } }, t.own.use);
    this.box = el("div", { class: "own" }, el("label", { for: "own-text" }, t.own.label), el("small", { id: "own-help" }, t.own.help), this.area, button, this.error);
  }

  show(text: string, visible: boolean, locked: boolean): void {
    this.box.hidden = !visible;
    this.area.disabled = locked;
    if (document.activeElement !== this.area) this.area.value = text;
  }

  /** The world of a text, or null after its error is shown. */
  world(text: string): World | null {
    const parsed = parseOwn(text);
    const wrong = typeof parsed === "string";
    this.error.textContent = wrong ? this.t.told(parsed) : "";
    this.area.setAttribute("aria-invalid", String(wrong));
    return wrong ? null : parsed;
  }
}
