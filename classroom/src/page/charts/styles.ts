/** Entropy above, mass of the styles below, over the steps of a training. */
import { exact, nats, percent, short } from "../format.js";
import { px } from "../dom.js";
import { colour, INK, LINE, mark, patterns } from "../looks.js";
import { SIDES, type Point, type Scene, type Side } from "../model.js";
import { apart, closed, label, linear, logarithmic, path, xAxis, yAxis, type Box, type Scale } from "./scale.js";
import type { Drawing, Reading } from "./panel.js";

const LEFT = 56;
const GAP = 28;

/** Scale of the steps. On logarithmic axes it begins at step 1. */
export function stepScale(scene: Scene, box: Box): Scale {
  const most = Math.max(1, scene.steps);
  const scale = scene.logAxes ? logarithmic(1, Math.max(10, most), box.left, box.right) : linear(0, most, box.left, box.right, Math.max(2, Math.floor((box.right - box.left) / 75)));
  scale.text = scene.logAxes ? scale.text : (value) => value.toLocaleString("en").replace(/,/g, "\u202f");
  return scale;
}

/** Points that have a place on the axis of steps. */
export function placed(scene: Scene, side: Side): Point[] {
  return scene.logAxes ? scene[side].filter((point) => point.step >= 1) : scene[side];
}

function entropies(scene: Scene, side: Side, box: Box, x: Scale): string {
  const { t, truth } = scene;
  const most = Math.max(truth.entropyP, truth.entropyS, ...SIDES.flatMap((s) => scene[s].map((point) => point.entropy.lower)));
  const y = linear(0, most * 1.08 || 1, box.bottom, box.top, 3);
  const points = placed(scene, side);
  const last = points.at(-1);
  const rows: [string, number, string, string][] = [["H(P)", truth.entropyP, LINE.P, "7 4"], ["H(S)", truth.entropyS, LINE.S, "2 4"]];
  let svg = yAxis(box, y) + label(box.left, box.top - 9, t.charts.entropy, "start", INK, 600);
  for (const [, value, stroke, dashes] of rows) svg += `<line x1="${px(box.left)}" x2="${px(box.right)}" y1="${px(y(value))}" y2="${px(y(value))}" stroke="${stroke}" stroke-width="2.5" stroke-dasharray="${dashes}"/>`;
  svg += `<path d="${path(points.map((p) => [x(p.step), y(p.entropy.lower)] as const))}" fill="none" stroke="${LINE.q}" stroke-width="3.5"/>`;
  const names: [string, number, string][] = rows.map(([name, value, stroke]) => [`${name} ${short(value)}`, y(value), stroke]);
  if (last) {
    svg += `<circle cx="${px(x(last.step))}" cy="${px(y(last.entropy.lower))}" r="5" fill="${LINE.q}"/>`;
    names.push([`H(q) ${exact(last.entropy) ? "" : "≥ "}${short(last.entropy.lower)}`, y(last.entropy.lower), LINE.q]);
  }
  const heights = apart(names.map(([, at]) => at + 5), 17, box.top + 2, box.bottom + 6);
  names.forEach(([words, , fill], i) => (svg += label(box.right + 8, heights[i] as number, words, "start", fill, 700)));
  return svg;
}

function stacked(scene: Scene, side: Side, box: Box, x: Scale, id: string): string {
  const points = placed(scene, side);
  const y = linear(0, 1, box.bottom, box.top, 2);
  y.text = (value) => `${Math.round(value * 100)}`;
  let svg = "";
  const below = new Array<number>(points.length).fill(0);
  const names: [number, number][] = [];
  const area = (fill: string, height: (point: Point) => number): void => {
    const lower = points.map((p, i) => [x(p.step), y(below[i] as number)] as const);
    points.forEach((p, i) => (below[i] = (below[i] as number) + height(p)));
    const upper = points.map((p, i) => [x(p.step), y(Math.min(1, below[i] as number))] as const);
    if (points.length === 1) for (const line of [upper, lower]) line.push([(line[0]?.[0] ?? 0) + 3, line[0]?.[1] ?? 0]);
    svg += `<path d="${closed([...upper, ...lower.reverse()])}" fill="url(#${id}${fill})" stroke="#fff" stroke-width="1"/>`;
  };
  scene.world.styles.forEach((_, k) => {
    const start = below.at(-1) ?? 0;
    area(String(k), (p) => p.mass[k] ?? 0);
    if ((points.at(-1)?.mass[k] ?? 0) > 0.02) names.push([k, y(start + (points.at(-1)?.mass[k] ?? 0) / 2)]);
  });
  area("out", (p) => p.outside);
  return svg + yAxis(box, y) + named(scene, points.at(-1), names, box);
}

/** Names of the styles at the right end, with mark and share. */
function named(scene: Scene, last: Point | undefined, names: [number, number][], box: Box): string {
  const heights = apart(names.map(([, at]) => at + 5), 17, box.top + 8, box.bottom + 4);
  return names
    .map(([k], i) => {
      const at = heights[i] as number;
      const words = `${scene.t.style(scene.world.styles[k] ?? "")} ${percent(last?.mass[k] ?? 0)}`;
      return `<path d="${mark(k, box.right + 14, at - 5, 6)}" fill="${colour(k)}" stroke="${INK}" stroke-width=".8"/>` + label(box.right + 25, at, words);
    })
    .join("");
}

/** Places for marks on a line, at least 70 px apart; those of another line are elsewhere. */
function sparse(line: readonly (readonly [number, number])[], k: number): (readonly [number, number])[] {
  let next = (line[0]?.[0] ?? 0) + 17 * k;
  return line.filter(([at]) => at >= next && (next = at + 70) > 0);
}

/** The part of the line c / step that is inside of an axis from `low` to 1: it is not bent at the ends. */
export function guide(c: number, low: number, steps: number): [number, number][] {
  const [from, to] = [Math.max(1, c), Math.min(steps, c / low)];
  return from < to ? [[from, c / from], [to, c / to]] : [];
}

const ABOVE = 3; // the guide is so many times above the data, so that it does not cover them

/** Masses on two logarithmic axes, with a line of slope -1 above the smallest. */
function logLines(scene: Scene, side: Side, box: Box, x: Scale): string {
  const points = placed(scene, side);
  const all = SIDES.flatMap((s) => placed(scene, s)).flatMap((p) => p.mass).filter((m) => m > 0);
  const low = 10 ** Math.floor(Math.log10(Math.max(1e-12, Math.min(0.1, ...all))));
  const y = logarithmic(low, 1, box.bottom, box.top);
  const share = y.text;
  y.text = (value) => share(100 * value); // per cent, as everywhere
  let svg = yAxis(box, y);
  const names: [number, number][] = [];
  scene.world.styles.forEach((_, k) => {
    const line = points.filter((p) => (p.mass[k] ?? 0) > 0).map((p) => [x(p.step), y(p.mass[k] ?? 0)] as const);
    svg += `<path d="${path(line)}" fill="none" stroke="${colour(k)}" stroke-width="3"/>`;
    for (const [a, b] of sparse(line, k)) svg += `<path d="${mark(k, a, b, 4.5)}" fill="${colour(k)}" stroke="${INK}" stroke-width=".7"/>`;
    const end = line.at(-1);
    if (end) names.push([k, end[1]]);
  });
  const end = points.at(-1); // where a power law is clearest
  const fallen = end && end.step >= Math.sqrt(scene.steps) ? end : null;
  const lost = fallen ? Math.min(...fallen.mass.filter((m) => m > 0)) : NaN;
  if (fallen && side === "tuning") {
    const ends = guide(ABOVE * lost * fallen.step, low, scene.steps).map(([s, m]) => [x(s), y(m)] as const);
    svg += `<path d="${path(ends)}" stroke="${INK}" stroke-width="1.5" stroke-dasharray="6 4" fill="none"/>` + label(box.left + 8, box.bottom - 8, scene.t.charts.slope, "start", INK);
  }
  return svg + named(scene, points.at(-1), names, box);
}

function reading(scene: Scene, p: Point): string[] {
  const { t, truth, world } = scene;
  return [
    t.charts.atStep(p.step),
    `H(q) ${t.bounds(p.entropy, t.certainty)}`,
    `H(P) = ${nats(truth.entropyP)}, H(S) = ${nats(truth.entropyS)} nat (${t.certainty.exact})`,
    ...world.styles.map((name, k) => t.is(t.style(name), `${percent(p.mass[k] ?? 0)} (${t.certainty.exact})`)),
    t.is(t.outside, `${percent(p.outside)} (${t.certainty.exact})`),
  ];
}

export function drawStyles(scene: Scene, side: Side, width: number, height: number): Drawing {
  const id = `m${side}`;
  const right = width - 8 - (width > 420 ? 140 : 118);
  const middle = Math.round(22 + (height - 22 - 46 - GAP) * (scene.logAxes ? 0.3 : 0.42));
  const upper: Box = { left: LEFT, right, top: 22, bottom: middle };
  const lower: Box = { left: LEFT, right, top: middle + GAP, bottom: height - 46 };
  const x = stepScale(scene, lower);
  const body = scene.logAxes ? logLines(scene, side, lower, x) : stacked(scene, side, lower, x, id);
  const title = label(LEFT, lower.top - 9, scene.t.charts.mass, "start", INK, 600);
  const svg = patterns(id, scene.world.styles.length) + entropies(scene, side, upper, x) + body + title + xAxis(lower, x, scene.t.charts.steps);
  const readings: Reading[] = placed(scene, side).map((p) => ({ x: x(p.step), y: middle, lines: reading(scene, p) }));
  return { svg, readings, alongX: true, top: upper.top, bottom: lower.bottom };
}
