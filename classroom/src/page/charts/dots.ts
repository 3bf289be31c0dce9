/** Every answer as a dot: log P against log q, with the diagonal on which nothing has changed. */
import { nats, tidy } from "../format.js";
import { px } from "../dom.js";
import { colour, GUIDE, INK, mark } from "../looks.js";
import { promptText, shown } from "../../laws/index.js";
import { latest, SIDES, type Scene, type Side } from "../model.js";
import { label, linear, path, xAxis, yAxis, type Box } from "./scale.js";
import type { Drawing, Reading } from "./panel.js";

/** Ends of both axes over both pictures, so that they can be compared. */
function ends(scene: Scene): { lowP: number; lowQ: number; highP: number; highQ: number } {
  const rows = scene.truth.rows;
  const least = (logs: ArrayLike<number>): number => rows.reduce((low, i) => (Number.isFinite(logs[i]) ? Math.min(low, logs[i] as number) : low), 0);
  const lowP = least(scene.view.logP);
  const lowQ = Math.min(lowP, ...SIDES.map((side) => latest(scene, side)).map((point) => (point ? least(point.logQ) : 0)));
  const [across, up] = [0.06 * -lowP, 0.04 * -lowQ];
  return { lowP: lowP - across, lowQ: lowQ - up, highP: 0, highQ: up };
}

export function drawDots(scene: Scene, side: Side, width: number, height: number): Drawing {
  const { t, world, truth, view } = scene;
  const point = latest(scene, side);
  const { lowP, lowQ, highP, highQ } = ends(scene);
  const box: Box = { left: 56, right: width - 16, top: 30, bottom: height - 46 };
  const x = linear(lowP, highP, box.left, box.right, Math.floor((box.right - box.left) / 70));
  const y = linear(lowQ, highQ, box.bottom, box.top, 5);
  let svg = yAxis(box, y) + label(4, box.top - 13, t.charts.logq, "start", INK, 600);
  svg += `<path d="${path([[x(lowP), y(lowP)], [x(highP), y(highP)]])}" stroke="${GUIDE}" stroke-width="2" stroke-dasharray="7 5"/>`;
  const sorted = [...truth.rows].sort((a, b) => (view.logP[a] as number) - (view.logP[b] as number));
  const readings: Reading[] = [];
  let gone = 0;
  for (const i of point ? sorted : []) {
    const log = point?.logQ[i] as number;
    const [at, up] = [x(view.logP[i] as number), Number.isFinite(log) ? y(log) : box.bottom - 2];
    if (!Number.isFinite(log)) gone += 1;
    svg += `<path d="${mark(world.style[i] as number, at, up, 6.5)}" fill="${Number.isFinite(log) ? colour(world.style[i] as number) : "none"}" stroke="${INK}" stroke-width=".9"${truth.kept[i] ? "" : ' fill-opacity=".8"'}/>`;
    const asked = tidy(promptText(world, world.prompt[i] as number));
    readings.push({
      x: Number(px(at)), y: Number(px(up)),
      lines: [tidy(shown(world, i)), ...(asked ? [t.is(t.prompt, asked)] : []), `${t.is(t.styleWord, t.style(world.styles[world.style[i] as number] ?? ""))}${truth.kept[i] ? ` (${t.keptBy})` : ""}`,
        `log P = ${nats(view.logP[i] as number)} nat (${t.certainty.exact})`, `log q = ${nats(log)} nat (${t.certainty.exact})`],
    });
  }
  svg += label(box.left + 8, box.top + 14, t.charts.diagonal, "start", GUIDE); // where no answer is
  if (gone) svg += label(box.left + 8, box.top + 34, t.charts.gone(gone), "start", INK);
  return { svg: svg + xAxis(box, x, t.charts.logp), readings, alongX: false, top: box.top, bottom: box.bottom };
}
