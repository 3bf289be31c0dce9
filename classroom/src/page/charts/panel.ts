/** A picture that tells its numbers to a pointer, a finger, the keyboard and a screen reader. */
import { el } from "../dom.js";
import { INK } from "../looks.js";
import type { Tip } from "../tip.js";

/** A place in the picture and what is to be read there. */
export interface Reading { x: number; y: number; lines: string[] }

/** Markup of a picture with its readings. `alongX`: the nearest reading is found by x alone (steps). */
export interface Drawing { svg: string; readings: Reading[]; alongX: boolean; top: number; bottom: number }

export const EMPTY: Drawing = { svg: "", readings: [], alongX: true, top: 0, bottom: 0 };

const MARGIN = 200; // [px] pictures so near to the window are drawn too

export class Panel {
  readonly box: HTMLDivElement;
  private readonly svg: SVGSVGElement;
  private drawing = EMPTY;
  private at: number | null = null;
  peers: Panel[] = [];
  width = 240; // [px]

  constructor(private readonly tip: Tip, name: string, private readonly nothing: string) {
    this.svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    this.svg.setAttribute("aria-hidden", "true");
    this.box = el("div", {
      class: "panel", tabindex: 0, role: "slider", "aria-label": name, "aria-valuemin": 0, "aria-valuemax": 0, "aria-valuenow": 0, "aria-valuetext": nothing,
      keydown: (event: KeyboardEvent) => this.key(event),
      pointermove: (event: PointerEvent) => this.point(event),
      pointerdown: (event: PointerEvent) => this.point(event),
      pointerleave: (event: PointerEvent) => { if (event.pointerType === "mouse") this.leave(); },
      blur: () => this.leave(),
      focus: () => { if (this.box.matches(":focus-visible")) this.pick(this.at ?? this.drawing.readings.length - 1, true); },
    });
    this.box.append(this.svg);
  }

  /** Look at the window: the width of the picture, and whether it can be seen. To be asked before anything is drawn. */
  measure(): boolean {
    const { width, top, bottom } = this.box.getBoundingClientRect();
    this.width = Math.max(240, Math.floor(width));
    return bottom > -MARGIN && top < innerHeight + MARGIN;
  }

  /** Show a new drawing; a reading that is open stays open. */
  draw(drawing: Drawing, height: number): void {
    const { width } = this;
    this.drawing = drawing;
    for (const [name, value] of [["width", width], ["height", height], ["viewBox", `0 0 ${width} ${height}`]] as const) this.svg.setAttribute(name, String(value));
    this.svg.innerHTML = drawing.svg + '<g class="cursor"></g>';
    const last = drawing.readings.length - 1;
    this.box.setAttribute("aria-valuemax", String(Math.max(0, last)));
    if (this.at !== null) this.cursor(Math.min(this.at, last));
    else this.say(last);
    if (this.at !== null && this.tip.owner === this) this.open();
  }

  private say(index: number): void {
    this.box.setAttribute("aria-valuenow", String(Math.max(0, index)));
    this.box.setAttribute("aria-valuetext", this.drawing.readings[index]?.lines.join("; ") ?? this.nothing);
  }

  private key(event: KeyboardEvent): void {
    const last = this.drawing.readings.length - 1;
    const now = this.at ?? last;
    const jump = Math.max(1, Math.round(last / 10));
    const moves: Record<string, number> = { ArrowLeft: now - 1, ArrowDown: now - 1, ArrowRight: now + 1, ArrowUp: now + 1, Home: 0, End: last, PageDown: now - jump, PageUp: now + jump };
    if (event.key === "Escape") return this.leave();
    const next = moves[event.key];
    if (next === undefined || last < 0) return;
    event.preventDefault();
    this.pick(Math.max(0, Math.min(last, next)), true);
  }

  private point(event: PointerEvent): void {
    const frame = this.svg.getBoundingClientRect();
    const [x, y] = [event.clientX - frame.left, event.clientY - frame.top];
    let best = -1;
    let least = this.drawing.alongX ? Infinity : 30 ** 2;
    this.drawing.readings.forEach((reading, i) => {
      const far = (reading.x - x) ** 2 + (this.drawing.alongX ? 0 : (reading.y - y) ** 2);
      if (far < least) [least, best] = [far, i];
    });
    if (best < 0) this.leave();
    else this.pick(best, false);
  }

  /** Open the reading of an index here, and mark the same place in the pictures beside. */
  private pick(index: number, byKey: boolean): void {
    if (index < 0) return;
    for (const peer of this.peers) peer.cursor(Math.min(index, peer.drawing.readings.length - 1));
    this.cursor(index);
    this.tip.owner = this;
    this.open();
    if (byKey) this.say(index);
  }

  private open(): void {
    const reading = this.drawing.readings[this.at ?? -1];
    if (!reading) return;
    const frame = this.svg.getBoundingClientRect();
    this.tip.show(reading.lines, frame.left + reading.x, frame.top + reading.y);
  }

  private cursor(index: number): void {
    const reading = this.drawing.readings[index];
    this.at = reading ? index : null;
    const group = this.svg.querySelector(".cursor");
    if (!group) return;
    group.innerHTML = !reading ? "" : this.drawing.alongX
      ? `<line x1="${reading.x}" x2="${reading.x}" y1="${this.drawing.top}" y2="${this.drawing.bottom}" stroke="${INK}" stroke-width="1.5"/>`
      : `<circle cx="${reading.x}" cy="${reading.y}" r="10" fill="none" stroke="${INK}" stroke-width="2.5"/>`;
    if (reading) this.say(index);
  }

  private leave(): void {
    for (const panel of [this, ...this.peers]) panel.cursor(-1);
    if (this.tip.owner === this) this.tip.hide();
  }
}
