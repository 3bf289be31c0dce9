/** One training: it follows the orders "go" and "stop", and tells about the steps at which a frame is wanted. */

import type { News, Role, Settings, Target, World } from "../contract";
import { kl } from "../laws/measures";
import { uniform } from "../laws/numbers";
import { controlTarget, stepsOf, target, weights } from "../laws/targets";
import { viewOf } from "../laws/views";
import { scheduled, type Trainer } from "./trainer";

const PAUSE = 25; // [ms] after so long the worker looks for new orders

/** Gives way to messages that wait. A message is faster than a timer, which browsers delay. */
export function breathe(): Promise<void> {
  return new Promise((resolve) => {
    const channel = new MessageChannel();
    channel.port1.onmessage = () => {
      channel.port1.close();
      resolve();
    };
    channel.port2.postMessage(0);
  });
}

export interface Plan {
  id: number;
  role: Role;
  world: World;
  settings: Settings;
  frames: number[];
  target?: Target; // instead of that of the settings
  finish?: () => Promise<void>; // instead of the news "done", when the last step that was asked for is done
}

export class Run {
  readonly #plan: Plan;
  readonly #trainer: Trainer;
  readonly #tell: (news: News) => void;
  #step = 0;
  #until = 0;
  #busy = false;
  #stopped = false;
  #ended = false;

  constructor(plan: Plan, trainer: Trainer, tell: (news: News) => void) {
    this.#plan = plan;
    this.#trainer = trainer;
    this.#tell = tell;
  }

  /** Train on until a step. The first call with 0 shows the law before the training. */
  async go(until: number): Promise<void> {
    this.#until = until;
    this.#stopped = false;
    if (this.#busy || this.#ended) return;
    this.#busy = true;
    try {
      await this.#train();
    } finally {
      this.#busy = false;
      if (this.#ended) this.#trainer.dispose();
    }
  }

  /** End after the present step; `go` may go on from there. */
  stop(): void {
    this.#stopped = true;
  }

  /** End for ever and free the memory. */
  end(): void {
    this.#ended = true;
    if (!this.#busy) this.#trainer.dispose();
  }

  async #train(): Promise<void> {
    const { id, role, world, settings } = this.#plan;
    const learnt = this.#plan.target ?? (role === "tuning" ? target(world, settings) : controlTarget(world, settings));
    const [view, steps] = [viewOf(world), stepsOf(world, settings)];
    const wanted = new Set(this.#plan.frames);
    const exact = settings.targets === "exact" ? weights(learnt, world, settings, Math.random) : null;
    const began = performance.now();
    let breathed = began;
    for (;;) {
      const dice = uniform(settings.seed, this.#step, role === "tuning" ? 1 : 2);
      const given = exact ?? weights(learnt, world, settings, dice);
      const look = this.#trainer.prepare(given, scheduled(settings, this.#step, steps));
      const last = this.#step >= this.#until || this.#stopped;
      if (last || wanted.has(this.#step)) {
        const { logQ, nodes } = await look.law();
        if (this.#ended) return;
        if (logQ.some(Number.isNaN)) throw new RangeError(diverged(this.#step, settings));
        const fit = kl(view, learnt.logS, logQ, learnt.logPrompt);
        this.#tell({ kind: "frame", id, role, step: this.#step, logQ, fit, ms: performance.now() - began });
        if (last) this.#tell({ kind: "nodes", id, role, step: this.#step, logits: nodes });
      }
      if (last && (this.#step >= this.#until || this.#stopped)) break;
      await this.#trainer.commit();
      this.#step++;
      if (performance.now() - breathed > PAUSE) {
        await breathe();
        breathed = performance.now();
      }
      if (this.#ended) return;
    }
    if (this.#plan.finish && this.#until > 0 && this.#step >= this.#until) await this.#plan.finish();
    else this.#tell({ kind: "done", id, role, stopped: this.#step < this.#until, step: this.#step });
  }
}

function diverged(step: number, settings: Settings): string {
  return `rate: a rate with which the training stays finite is required, found ${settings.rate} (nan at step ${step}); lower it`;
}
