/** The small window with the numbers of the place that a pointer, finger or the keyboard has chosen. */
import { el } from "./dom.js";

const SETTLED = 300; // [ms] a scroll that brought the focus into view does not close the window

export class Tip {
  readonly box = el("div", { class: "tip", "aria-hidden": "true", hidden: true });
  owner: unknown = null;
  private since = 0; // [ms] when it was opened

  constructor() {
    addEventListener("scroll", () => { if (performance.now() - this.since > SETTLED) this.hide(); }, { passive: true, capture: true });
    addEventListener("keydown", (event) => { if (event.key === "Escape") this.hide(); });
  }

  /** Show lines beside a point of the window; the first line is the title. The window never leaves the screen. */
  show(lines: readonly string[], x: number, y: number): void {
    this.since = performance.now();
    this.box.replaceChildren(...lines.map((line, i) => el(i ? "div" : "b", {}, line)));
    this.box.hidden = false;
    const { offsetWidth: width, offsetHeight: height } = this.box;
    const right = x + 16 + width < innerWidth ? x + 16 : Math.max(4, x - 16 - width);
    this.box.style.left = `${Math.max(4, Math.min(right, innerWidth - width - 4))}px`;
    this.box.style.top = `${Math.max(4, Math.min(y - height / 2, innerHeight - height - 4))}px`;
  }

  hide(): void {
    this.box.hidden = true;
    this.owner = null;
  }
}
