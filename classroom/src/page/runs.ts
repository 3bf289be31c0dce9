/** Two workers, one for the tuning and one for the control, and what they have told so far. */
import type { Device, Frame, News, Order, Settings, World } from "../contract.js";
import { stepsOf } from "../laws/index.js";
import { SIDES, type Side } from "./model.js";

export type Phase = "waiting" | "pretraining" | "ready" | "running" | "paused" | "done" | "failed";

/** One training: its frames, and the logits of the law before it and of the last one at which it rested. */
export interface Track { frames: Frame[]; first: Float32Array | null; last: { step: number; logits: Float32Array } | null; resting: boolean }

/** Where frames come from: workers that train, or recorded runs. */
export interface Source {
  readonly tracks: Record<Side, Track>;
  phase: Phase;
  why: string; // of a failure
  total: number; // steps of the whole training
  pretrained: number; // steps of a pretraining that were taken
  left: number; // [s] that the rest of a running training takes, as its last steps did; 0 if it is not known
  begin(world: World, settings: Settings, play: boolean): void;
  play(): void;
  pause(): void;
  step(): void;
}

export const PRETRAINING = 300; // steps of the pretraining of own sentences

const fresh = (): Track => ({ frames: [], first: null, last: null, resting: false });

/** Steps at which a frame is wanted: all of a short training, else about 120, dense at the beginning. */
export function frameSteps(total: number): number[] {
  if (total <= 150) return Array.from({ length: total + 1 }, (_, i) => i);
  const wanted = new Set([0, total]);
  for (let i = 0; i <= 60; i++) wanted.add(Math.round((total * i) / 60)).add(Math.round(total ** (i / 60)));
  return [...wanted].sort((a, b) => a - b);
}

export class Runs implements Source {
  tracks = { tuning: fresh(), control: fresh() };
  phase: Phase = "waiting";
  why = "";
  total = 0;
  pretrained = 0;
  left = 0;
  device: Device = "none";
  reason = "";
  private readonly workers: Record<Side, Worker>;
  private id = 0;
  private playing = false;
  private goals: Record<Side, number> = { tuning: 0, control: 0 }; // steps to which the workers are to train
  private world: World | null = null;
  private settings: Settings | null = null;
  private mark: { step: number; at: number } | null = null; // the last frame of the tuning that came while it was running
  private known: { hash: string; seed: number; params: Float32Array } | null = null; // q0 of own sentences

  constructor(make: () => Worker, private readonly changed: () => void, private readonly ready: () => void) {
    this.workers = { tuning: make(), control: make() };
    for (const side of SIDES) {
      this.workers[side].onmessage = (event: MessageEvent<News>) => this.hear(side, event.data);
      this.workers[side].onerror = (event) => this.fail(event.message);
    }
  }

  begin(world: World, settings: Settings, play: boolean): void {
    this.id += 1;
    Object.assign(this, { world, settings, playing: play, why: "", pretrained: 0, left: 0, mark: null, total: stepsOf(world, settings) });
    this.tracks = { tuning: fresh(), control: fresh() };
    const known = this.known?.hash === world.hash && this.known.seed === settings.seed;
    if (world.q0 === null && settings.model === "transformer" && !known) {
      this.phase = "pretraining";
      this.send("control", { kind: "stop", id: this.id });
      this.send("tuning", { kind: "pretrain", id: this.id, world, seed: settings.seed, steps: PRETRAINING });
    } else this.start();
    this.changed();
  }

  private start(): void {
    const { world, settings } = this;
    if (!world || !settings) return;
    this.phase = this.playing ? "running" : "ready";
    const frames = frameSteps(this.total);
    const start = world.q0 === null && settings.model === "transformer" && this.known ? { start: this.known.params } : {};
    for (const role of this.sides()) {
      this.send(role, { kind: "start", id: this.id, world, settings, role, frames, ...start });
      this.goals[role] = this.playing ? this.total : 0;
    }
    if (settings.control === "none") this.send("control", { kind: "stop", id: this.id });
  }

  private sides(): readonly Side[] {
    return this.settings?.control === "none" ? ["tuning"] : SIDES;
  }

  private send(side: Side, order: Order): void {
    this.workers[side].postMessage(order);
  }

  private reached(side: Side): number {
    return this.tracks[side].frames.at(-1)?.step ?? 0;
  }

  play(): void {
    this.playing = true;
    this.phase = "running";
    for (const side of this.sides()) this.goOn(side, this.total);
    this.changed();
  }

  pause(): void {
    Object.assign(this, { playing: false, left: 0, mark: null });
    for (const side of this.sides()) {
      this.goals[side] = 0;
      this.send(side, { kind: "stop", id: this.id });
    }
    this.changed();
  }

  step(): void {
    this.playing = false;
    const until = Math.min(this.total, this.reached("tuning") + 1);
    this.phase = "running";
    for (const side of this.sides()) this.goOn(side, Math.max(until, this.reached(side)));
    this.changed();
  }

  private goOn(side: Side, until: number): void {
    this.tracks[side].resting = false;
    this.goals[side] = until;
    this.send(side, { kind: "go", id: this.id, until });
  }

  private fail(why: string): void {
    Object.assign(this, { phase: "failed", why, playing: false });
    for (const side of SIDES) this.send(side, { kind: "stop", id: this.id });
    this.changed();
  }

  private hear(side: Side, news: News): void {
    if (news.kind === "ready") {
      if (side === "tuning") {
        Object.assign(this, { device: news.device, reason: news.reason });
        this.ready();
      }
      return;
    }
    if (news.id !== this.id) return;
    const track = this.tracks[side];
    if (news.kind === "failed") return this.fail(news.why);
    if (news.kind === "pretrained") return this.keep(news.params);
    if (news.kind === "frame") {
      if (this.phase === "pretraining") this.pretrained = news.step;
      else if (news.step > (track.frames.at(-1)?.step ?? -1)) {
        track.frames.push({ step: news.step, logQ: news.logQ });
        if (side === "tuning") this.time(news.step);
      }
    } else if (this.phase !== "pretraining" && news.kind === "nodes") {
      if (news.step === 0) track.first = news.logits;
      track.last = { step: news.step, logits: news.logits };
    } else if (this.phase !== "pretraining" && news.kind === "done") {
      track.resting = news.step >= this.goals[side];
      if (!track.resting) this.goOn(side, this.goals[side]); // an order came before the worker was ready for it
      if (this.sides().every((other) => this.tracks[other].resting)) this.rest();
    }
    this.changed();
  }

  /** How long the rest takes. The step before the first frame is not counted: its program is made there. */
  private time(step: number): void {
    const [at, before] = [performance.now(), this.mark];
    if (before && this.playing) this.left = ((at - before.at) / (step - before.step) / 1000) * (this.total - step);
    this.mark = this.playing && step > 0 ? { step, at } : null;
  }

  private keep(params: Float32Array): void {
    if (this.world && this.settings) this.known = { hash: this.world.hash, seed: this.settings.seed, params };
    this.start();
    this.changed();
  }

  private rest(): void {
    const done = this.sides().every((side) => this.reached(side) >= this.total);
    this.phase = done ? "done" : this.reached("tuning") > 0 ? "paused" : "ready";
    this.playing = false;
  }
}
