/**
 * Colours and marks that every reader can tell apart. The palette is that of Okabe and Ito (2008), as in figures/colours.py.
 * Styles differ by mark and by pattern too, so no picture depends on colour alone.
 */
import { px } from "./dom.js";

export const STYLE_COLOURS = ["#0072B2", "#CC79A7", "#E69F00", "#009E73", "#56B4E9", "#D55E00", "#7A7A7A", "#000000"];
export const OUTSIDE = "#8A8A8A";
export const INK = "#1b1b1b";
export const GUIDE = "#595959";
export const LINE = { P: "#000000", S: "#00704F", q: "#C04A00" } as const;
export const PARTS = { gate: "#0072B2", kept: "#B0B0B0", erasure: "#E69F00" } as const;

/** Colour of a style, by its index. A negative index means "not in the language". */
export function colour(style: number): string {
  return style < 0 ? OUTSIDE : (STYLE_COLOURS[style % STYLE_COLOURS.length] ?? OUTSIDE);
}

type Shape = (x: number, y: number, r: number) => string;
const polygon = (...corners: number[]): Shape => (x, y, r) =>
  corners
    .map((value, i) => (i % 2 ? px(y + value * r) : `${i ? "L" : "M"}${px(x + value * r)}`))
    .reduce((path, part, i) => path + (i % 2 ? "," : "") + part, "") + "Z";
const SHAPES: readonly Shape[] = [
  (x, y, r) => `M${px(x - r)},${px(y)}a${px(r)},${px(r)} 0 1,0 ${px(2 * r)},0a${px(r)},${px(r)} 0 1,0 ${px(-2 * r)},0Z`,
  polygon(-0.9, -0.9, 0.9, -0.9, 0.9, 0.9, -0.9, 0.9),
  polygon(0, -1.25, 1.1, 0, 0, 1.25, -1.1, 0),
  polygon(0, -1.15, 1.1, 0.9, -1.1, 0.9),
  polygon(0, 1.15, 1.1, -0.9, -1.1, -0.9),
  polygon(-0.4, -1.1, 0.4, -1.1, 0.4, -0.4, 1.1, -0.4, 1.1, 0.4, 0.4, 0.4, 0.4, 1.1, -0.4, 1.1, -0.4, 0.4, -1.1, 0.4, -1.1, -0.4, -0.4, -0.4),
  polygon(-1.1, 0, -0.55, -1, 0.55, -1, 1.1, 0, 0.55, 1, -0.55, 1),
];
const CROSS = polygon(0, -0.45, 0.75, -1.2, 1.2, -0.75, 0.45, 0, 1.2, 0.75, 0.75, 1.2, 0, 0.45, -0.75, 1.2, -1.2, 0.75, -0.45, 0, -1.2, -0.75, -0.75, -1.2);

/** Path of a style's mark around a point. What is not in the language has a cross. */
export function mark(style: number, x: number, y: number, r: number): string {
  return (style < 0 ? CROSS : (SHAPES[style % SHAPES.length] as Shape))(x, y, r);
}

/** A mark as an inline picture, for legends and lists. */
export function markSvg(style: number, size = 18): string {
  const half = size / 2;
  return `<svg width="${size}" height="${size}" aria-hidden="true" class="mark"><path d="${mark(style, half, half, half * 0.72)}" fill="${colour(style)}" stroke="${INK}" stroke-width="1"/></svg>`;
}

const HATCH = ["", "M0,8L8,0", "M4,4h.1", "M0,0L8,8", "M0,4H8", "M4,0V8", "M0,8L8,0M0,0L8,8", "M0,4H8M4,0V8"];

/** Patterns of the styles and of the parts of forgetting. `id` keeps those of two pictures apart. */
export function patterns(id: string, count: number): string {
  const one = (name: string, fill: string, lines: string): string =>
    `<pattern id="${id}${name}" width="8" height="8" patternUnits="userSpaceOnUse"><rect width="8" height="8" fill="${fill}"/>` +
    (lines ? `<path d="${lines}" stroke="#fff" stroke-width="1.6" stroke-linecap="round" opacity=".75" fill="none"/>` : "") + "</pattern>";
  let all = one("out", "#D8D8D8", HATCH[6] ?? "") + one("gate", PARTS.gate, "");
  all += one("kept", PARTS.kept, HATCH[6] ?? "") + one("erasure", PARTS.erasure, HATCH[1] ?? "");
  for (let k = 0; k < count; k++) all += one(String(k), colour(k), HATCH[k % HATCH.length] ?? "");
  return `<defs>${all}</defs>`;
}
