/** Recorded runs, for browsers without WASM or workers. They are shown step by step, and nothing is trained. */
import type { Frame, RecordedRun, Settings, World } from "../contract.js";
import { halves } from "../laws/index.js";
import { SIDES, type Side } from "./model.js";
import type { Phase, Source, Track } from "./runs.js";

function framesOf(run: RecordedRun): Frame[] {
  const all = Float64Array.from(halves(run.logQ));
  const n = all.length / run.steps.length;
  return run.steps.map((step, i) => ({ step, logQ: all.slice(i * n, (i + 1) * n) }));
}

/** The recorded tuning whose settings differ least from those that are wanted. */
export function nearest(runs: readonly RecordedRun[], wanted: Settings): RecordedRun | null {
  const far = (run: RecordedRun): number => {
    const differ = (Object.keys(wanted) as (keyof Settings)[]).filter((key) => run.settings[key] !== wanted[key]);
    return differ.length + (differ.includes("world") ? 100 : 0) + (differ.includes("keep") ? 3 : 0);
  };
  const tunings = runs.filter((run) => run.role === "tuning");
  return tunings.length ? tunings.reduce((best, run) => (far(run) < far(best) ? run : best)) : null;
}

export class Recorded implements Source {
  tracks: Record<Side, Track> = { tuning: empty(), control: empty() };
  phase: Phase = "ready";
  why = "";
  total = 0;
  pretrained = 0;
  left = 0;
  private all: Record<Side, Frame[]> = { tuning: [], control: [] };
  private timer = 0;

  constructor(private readonly runs: readonly RecordedRun[], private readonly changed: () => void) {}

  begin(_: World, settings: Settings, play: boolean): void {
    clearInterval(this.timer);
    const tuning = nearest(this.runs, settings);
    const same = (run: RecordedRun): boolean => run.role === "control" && JSON.stringify(run.settings) === JSON.stringify(tuning?.settings);
    const control = this.runs.find(same);
    this.all = { tuning: tuning ? framesOf(tuning) : [], control: control ? framesOf(control) : [] };
    this.tracks = { tuning: empty(), control: empty() };
    this.total = this.all.tuning.at(-1)?.step ?? 0;
    this.phase = "ready";
    this.reveal();
    if (play) this.play();
    else this.changed();
  }

  play(): void {
    this.phase = "running";
    clearInterval(this.timer);
    this.timer = setInterval(() => this.reveal(), 120) as unknown as number;
    this.changed();
  }

  pause(): void {
    clearInterval(this.timer);
    if (this.phase === "running") this.phase = "paused";
    this.changed();
  }

  step(): void {
    this.pause();
    this.phase = "paused";
    this.reveal();
  }

  private reveal(): void {
    for (const side of SIDES) {
      const next = this.all[side][this.tracks[side].frames.length];
      if (next) this.tracks[side].frames.push(next);
    }
    if (this.tracks.tuning.frames.length >= this.all.tuning.length) {
      clearInterval(this.timer);
      this.phase = "done";
    }
    this.changed();
  }
}

const empty = (): Track => ({ frames: [], first: null, last: null, resting: false });
