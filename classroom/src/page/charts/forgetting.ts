/** Forgetting KL(P||q) over the steps, as a stack of its parts: gate, kept and erasure. */
import { nats, short } from "../format.js";
import { INK, patterns } from "../looks.js";
import { SIDES, type Point, type Scene, type Side } from "../model.js";
import { apart, closed, label, linear, xAxis, yAxis, type Box } from "./scale.js";
import { placed, stepScale } from "./styles.js";
import type { Drawing, Reading } from "./panel.js";

const NAMES = ["erasure", "kept", "gate"] as const; // from the bottom to the top

export function drawForgetting(scene: Scene, side: Side, width: number, height: number): Drawing {
  const { t } = scene;
  const id = `f${side}`;
  const box: Box = { left: 56, right: width - (width > 420 ? 150 : 134), top: 30, bottom: height - 46 };
  const most = Math.max(0.05, ...SIDES.flatMap((s) => scene[s].map((p) => p.forgotten)).filter(Number.isFinite));
  const [x, y] = [stepScale(scene, box), linear(0, most * 1.08, box.bottom, box.top, 5)];
  const points = placed(scene, side);
  const below = points.map(() => 0);
  let svg = patterns(id, 0) + yAxis(box, y) + label(4, box.top - 13, t.charts.forgetting, "start", INK, 600);
  const places: number[] = [];
  for (const name of NAMES) {
    const start = below.at(-1) ?? 0;
    const lower = points.map((p, i) => [x(p.step), y(below[i] as number)] as const);
    points.forEach((p, i) => (below[i] = (below[i] as number) + p[name]));
    const upper = points.map((p, i) => [x(p.step), y(below[i] as number)] as const);
    svg += `<path d="${closed([...upper, ...lower.reverse()])}" fill="url(#${id}${name})" stroke="${INK}" stroke-width="1"/>`;
    places.push(y((start + (below.at(-1) ?? 0)) / 2) + 5);
  }
  const last = points.at(-1);
  const heights = apart(places, 20, box.top + 8, box.bottom + 4);
  NAMES.forEach((name, i) => {
    const at = heights[i] as number;
    svg += `<rect x="${box.right + 8}" y="${at - 13}" width="15" height="15" fill="url(#${id}${name})" stroke="${INK}"/>`;
    svg += label(box.right + 29, at, `${t.parts[name]} ${last ? short(last[name]) : ""}`);
  });
  const readings: Reading[] = points.map((p) => ({ x: x(p.step), y: y(p.forgotten), lines: lines(scene, p) }));
  return { svg: svg + xAxis(box, x, t.charts.steps), readings, alongX: true, top: box.top, bottom: box.bottom };
}

function lines(scene: Scene, p: Point): string[] {
  const { t } = scene;
  const exact = `nat (${t.certainty.exact})`;
  return [t.charts.atStep(p.step), `KL(P‖q) = ${nats(p.forgotten)} ${exact}`, ...[...NAMES].reverse().map((name) => t.is(t.parts[name], `${nats(p[name])} ${exact}`))];
}
