/** The scene of some settings: the laws of the world, and the numbers of every frame, each computed once. */
import type { Frame, Settings, World } from "../contract.js";
import type { Texts } from "../text/texts.js";
import { nats, percent, plain } from "./format.js";
import type { Shown } from "./hash.js";
import { decodedPoint, lawOf, pointOf, type Law } from "./measure.js";
import type { Point, Scene, Side } from "./model.js";
import { Recorded } from "./recorded.js";
import type { Source } from "./runs.js";

const MANY = 500; // steps from which on the axes are logarithmic, if nobody chose

export class Stage {
  private readonly law: Law;
  private readonly points = new WeakMap<Frame, Point>();
  private readonly first: Frame | null; // the law before the training, from the file: shown until the workers tell it

  /** Raises RangeError with one line if the settings leave nothing. */
  constructor(readonly world: World, settings: Settings) {
    this.law = lawOf(world, settings);
    const logQ = settings.model === "table" ? this.law.view.logP : world.logQ0;
    this.first = logQ ? { step: 0, logQ: Float64Array.from(logQ) } : null;
  }

  /** The prompts that are shown. */
  get prompts(): number[] {
    return this.law.view.rows.flatMap((_, x) => (this.law.view.logPrompt[x] === -Infinity ? [] : [x]));
  }

  private of(frame: Frame): Point {
    const known = this.points.get(frame) ?? pointOf(this.law, frame);
    this.points.set(frame, known);
    return known;
  }

  private all(source: Source, side: Side): Point[] {
    const { frames } = source.tracks[side];
    const early = this.first && !(source instanceof Recorded) ? [this.first] : [];
    return (frames.length ? frames : early).map((frame) => this.of(frame));
  }

  /** The last law of a side at the decoding temperature, if its logits are known. */
  private decoded(source: Source, side: Side, points: Point[], temperature: number): Point | null {
    const { last } = source.tracks[side];
    return last && last.step === points.at(-1)?.step ? decodedPoint(this.law, last.step, last.logits, temperature) : null;
  }

  scene(source: Source, shown: Shown, texts: Texts): Scene {
    const { rounded } = texts.recorded;
    const t = source instanceof Recorded ? { ...texts, certainty: { exact: rounded, bounded: rounded, estimated: rounded } } : texts;
    const { law, world } = this;
    const { settings, axes } = shown;
    const [tuning, control] = [this.all(source, "tuning"), this.all(source, "control")];
    const decode = settings.decode !== 1 && settings.model === "transformer" ? settings.decode : null;
    const { first } = source.tracks.tuning;
    return {
      t, world, settings, tuning, control,
      view: law.view, truth: law.truth, steps: source.total,
      before: decode !== null && first ? decodedPoint(law, 0, first, decode) : (tuning[0] ?? null),
      after: decode === null ? null : this.decoded(source, "tuning", tuning, decode),
      afterControl: decode === null ? null : this.decoded(source, "control", control, decode),
      logAxes: axes === "log" || (axes === "auto" && source.total >= MANY),
    };
  }
}

/** What has to be known about the numbers of a scene: how they were decoded, and how well a control matches. */
export function notes(scene: Scene): { decoded: string; blind: string } {
  const { settings, t, truth } = scene;
  const blind = truth.mismatch ? t.mismatch(percent(truth.mismatch.mass), nats(truth.mismatch.entropy)) : "";
  const decoded = settings.decode === 1 || settings.model === "table" ? "" : scene.after ? t.decodedNote(plain(settings.decode)) : t.notDecoded;
  return { decoded, blind };
}
