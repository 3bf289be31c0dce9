/** The sentence above all pictures: what has happened so far. */
import type { Texts } from "../text/texts.js";
import { count, exact, percent } from "./format.js";
import { latest, type Point, type Scene } from "./model.js";

/** Mass of the answers that the data keep [1]. In a world of overlapping styles it is the mass of the style. */
function kept(scene: Scene, point: Point): number {
  const { settings, truth, view } = scene;
  if (settings.keep === "style") return point.mass[settings.style] ?? 0;
  const weight = (row: number): number => Math.exp(view.logPrompt[scene.world.prompt[row] as number] as number);
  return truth.rows.reduce((sum, row) => (truth.kept[row] ? sum + weight(row) * Math.exp(point.logQ[row] as number) : sum), 0);
}

export function headline(scene: Scene): string {
  const { t, settings, before } = scene;
  const [now, control] = [latest(scene, "tuning"), latest(scene, "control")];
  const style = t.style(scene.world.styles[settings.style] ?? "");
  if (!before || !now || now.step === 0) return t.untrained(keeps(t, scene, style));
  const likely = (point: Point): string => {
    const [least, most] = [count(Math.exp(point.entropy.lower)), count(Math.exp(point.entropy.upper))];
    return exact(point.entropy) || least === most ? least : `${least}–${most}`;
  };
  const all = [before, now, ...(control ? [control] : [])];
  const vague = all.some(({ entropy }) => entropy.upper - entropy.lower > Math.log(2)); // bounds of e^H more than a factor of 2 apart
  return t.headline({
    step: now.step, total: scene.steps, keep: settings.keep, style,
    keptBefore: percent(kept(scene, before)), keptAfter: percent(kept(scene, now)),
    counts: vague ? null : { before: likely(before), after: likely(now), control: control ? likely(control) : null },
    keptControl: control ? percent(kept(scene, control)) : null,
  });
}

const keeps = (t: Texts, scene: Scene, style: string): string =>
  scene.settings.keep === "style" ? style : t.option("keep", scene.settings.keep);
