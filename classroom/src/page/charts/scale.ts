/** Scales, ticks and axes of the pictures. All lengths are CSS pixels, so letters keep their size on every screen. */
import { escaped, px } from "../dom.js";
import { GUIDE, INK } from "../looks.js";

export interface Scale {
  (value: number): number;
  ticks: number[];
  text: (value: number) => string;
}

/** About `wanted` round numbers between two ends. */
export function ticks(from: number, to: number, wanted: number): number[] {
  const span = to - from;
  if (!(span > 0)) return [from];
  const raw = span / Math.max(1, wanted);
  const base = 10 ** Math.floor(Math.log10(raw));
  const step = base * ([1, 2, 2.5, 5, 10].find((m) => m * base >= raw * 0.999) ?? 10);
  const found: number[] = [];
  for (let k = Math.ceil(from / step - 1e-9); k * step <= to + 1e-9 * span; k++) found.push(Math.round(k * step * 1e9) / 1e9 || 0); // never -0
  return found;
}

/** A linear scale from values to pixels. */
export function linear(from: number, to: number, start: number, end: number, wanted: number): Scale {
  const width = to - from || 1;
  const scale = ((value: number) => start + ((value - from) / width) * (end - start)) as Scale;
  scale.ticks = ticks(from, to, wanted);
  scale.text = (value) => String(value).replace("-", "−");
  return scale;
}

/** A logarithmic scale. Values below `from` have no place; the caller leaves them out. */
export function logarithmic(from: number, to: number, start: number, end: number): Scale {
  const low = Math.log10(from);
  const span = Math.log10(to) - low || 1;
  const scale = ((value: number) => start + ((Math.log10(value) - low) / span) * (end - start)) as Scale;
  const every = Math.max(1, Math.ceil(span / Math.max(2, Math.floor(Math.abs(end - start) / (end < start ? 24 : 60)))));
  scale.ticks = [];
  for (let k = Math.ceil(low - 1e-9); k <= low + span + 1e-9; k++) if ((k - Math.ceil(low - 1e-9)) % every === 0) scale.ticks.push(10 ** k);
  const up = "⁰¹²³⁴⁵⁶⁷⁸⁹";
  scale.text = (value) => {
    const k = Math.round(Math.log10(value));
    return k >= 0 && k < 4 ? String(10 ** k) : `10${k < 0 ? "⁻" : ""}${String(Math.abs(k)).split("").map((d) => up[Number(d)]).join("")}`;
  };
  return scale;
}

export interface Box { left: number; right: number; top: number; bottom: number }

/** Text at a point. */
export function label(x: number, y: number, words: string, anchor: "start" | "middle" | "end" = "start", fill: string = INK, weight = 400): string {
  return `<text x="${px(x)}" y="${px(y)}" text-anchor="${anchor}" fill="${fill}"${weight === 400 ? "" : ` font-weight="${weight}"`}>${escaped(words)}</text>`;
}

/** The vertical axis of a box with grid lines. */
export function yAxis(box: Box, y: Scale): string {
  return y.ticks
    .map((t) => `<line x1="${px(box.left)}" x2="${px(box.right)}" y1="${px(y(t))}" y2="${px(y(t))}" stroke="#dcdcdc"/>` + label(box.left - 6, y(t) + 5, y.text(t), "end", GUIDE))
    .join("");
}

/** The horizontal axis of a box, with its name and unit. */
export function xAxis(box: Box, x: Scale, name: string): string {
  const line = `<line x1="${px(box.left)}" x2="${px(box.right)}" y1="${px(box.bottom)}" y2="${px(box.bottom)}" stroke="${GUIDE}"/>`;
  const marks = x.ticks.map((t) => `<line x1="${px(x(t))}" x2="${px(x(t))}" y1="${px(box.bottom)}" y2="${px(box.bottom + 5)}" stroke="${GUIDE}"/>` + label(x(t), box.bottom + 20, x.text(t), "middle", GUIDE));
  return line + marks.join("") + label((box.left + box.right) / 2, box.bottom + 39, name, "middle", INK);
}

/** Path through points; points that are not finite are left out. */
export function path(points: readonly (readonly [number, number])[]): string {
  return points.filter(([a, b]) => Number.isFinite(a) && Number.isFinite(b)).map(([a, b], i) => `${i ? "L" : "M"}${px(a)},${px(b)}`).join("");
}

/** The area between points, or nothing where there is none. */
export function closed(points: readonly (readonly [number, number])[]): string {
  const line = path(points);
  return line && `${line}Z`;
}

/** Move labels apart vertically, so that they neither overlap nor leave the box. Returns their new heights in the given order. */
export function apart(wanted: readonly number[], gap: number, top: number, bottom: number): number[] {
  const order = wanted.map((_, i) => i).sort((a, b) => (wanted[a] ?? 0) - (wanted[b] ?? 0));
  const placed = new Array<number>(wanted.length).fill(0);
  let last = top - gap;
  for (const i of order) last = placed[i] = Math.max(wanted[i] ?? 0, last + gap);
  let next = bottom + gap;
  for (const i of [...order].reverse()) next = placed[i] = Math.min(placed[i] ?? 0, next - gap);
  return placed;
}
