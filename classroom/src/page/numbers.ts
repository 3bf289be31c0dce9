/** The table of all numbers: each with its unit, and whether it is exact or bounded. */
import type { Bounds } from "../contract.js";
import { el } from "./dom.js";
import { count, exact, nats, percent } from "./format.js";
import { latest, type Point, type Scene } from "./model.js";

interface Row { name: string; unit: string; cells: (string | null)[]; bounded?: boolean[] }

const range = (bounds: Bounds, show: (value: number) => string): string =>
  exact(bounds) ? show(bounds.lower) : `${show(bounds.lower)} … ${show(bounds.upper)}`;

const bare = (share: string): string => share.replace("\u00a0%", ""); // the unit has a column of its own

function rowsOf(scene: Scene): Row[] {
  const { t, truth, world } = scene;
  const models = [scene.before, latest(scene, "tuning"), latest(scene, "control")];
  const each = (show: (point: Point) => string): (string | null)[] => models.map((point) => (point ? show(point) : null));
  const bounded = [false, false, ...models.map((point) => point !== null && !exact(point.entropy))];
  const grown = (bounds: Bounds): Bounds => ({ lower: Math.exp(bounds.lower), upper: Math.exp(bounds.upper) });
  const rows: Row[] = [
    { name: t.numbers.entropy, unit: "nat", cells: [nats(truth.entropyP), nats(truth.entropyS), ...each((p) => range(p.entropy, nats))], bounded },
    { name: t.numbers.effective, unit: t.numbers.answersUnit, cells: [count(Math.exp(truth.entropyP)), count(Math.exp(truth.entropyS)), ...each((p) => range(grown(p.entropy), count))], bounded },
    ...world.styles.map((style, k) => ({ name: t.is(t.styleWord, t.style(style)), unit: "%", cells: [percent(truth.massP[k] ?? 0), percent(truth.massS[k] ?? 0), ...each((p) => percent(p.mass[k] ?? 0))].map((cell) => cell && bare(cell)) })),
    { name: t.outside, unit: "%", cells: ["0", "0", ...each((p) => bare(percent(p.outside)))] },
    { name: t.numbers.forgotten, unit: "nat", cells: ["0", null, ...each((p) => nats(p.forgotten))] },
  ];
  for (const part of ["gate", "kept", "erasure"] as const) rows.push({ name: `– ${t.numbers[part]}`, unit: "nat", cells: ["0", null, ...each((p) => nats(p[part]))] });
  rows.push({ name: t.numbers.fit, unit: "nat", cells: [null, "0", ...each((p) => nats(p.fit))] });
  return rows;
}

export function drawNumbers(scene: Scene, table: HTMLTableElement): void {
  const { t } = scene;
  const columns = t.numbers.columns.map((name, i) => (i === 1 && scene.settings.replay > 0 ? t.numbers.withReplay : name));
  const head = el("tr", {}, el("th", { scope: "col" }, t.numbers.quantity), el("th", { scope: "col" }, t.numbers.unit), ...columns.map((name) => el("th", { scope: "col" }, name)));
  const body = rowsOf(scene).map((row) => {
    const cells = row.cells.map((cell, i) => {
      if (cell === null) return el("td", {}, "–");
      return el("td", {}, cell, el("small", {}, row.bounded?.[i] ? t.certainty.bounded : t.certainty.exact));
    });
    return el("tr", {}, el("th", { scope: "row" }, row.name), el("td", { class: "unit" }, row.unit), ...cells);
  });
  table.replaceChildren(el("caption", { class: "sr" }, t.numbers.title), el("thead", {}, head), el("tbody", {}, ...body));
}
