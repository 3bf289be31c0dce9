/** The worker: it takes orders, trains, and tells the news. The page starts one for the tuning, one for the control. */

import { DEFAULTS, type News, type Order, type Settings, type World } from "../contract";
import { begun, type Chosen, chooseDevice } from "./device";
import { Run } from "./run";
import { Table } from "./table";
import type { Trainer } from "./trainer";
import { Transformer } from "./transformer";

const tell = (news: News): void => self.postMessage(news);
let device: Promise<Chosen> = chooseDevice();

let run: Run | null = null;
let latest = 0; // the id of the last order that begins a run

const PRETRAINING = { keep: "everything", rate: 5e-3, warmup: 20, decay: "cosine" } as const;
const FRAMES = 25; // of a pretraining

async function begin(order: Extract<Order, { kind: "start" | "pretrain" }>): Promise<void> {
  run?.end();
  run = null;
  latest = order.id;
  const needsDevice = order.kind === "pretrain" || order.settings.model === "transformer";
  const { device: found, reason } = await device;
  if (latest !== order.id) return; // another order came in the meantime
  if (needsDevice && found === "none") throw new RangeError(`model: the table is required here, because ${reason}`);
  if (order.kind === "pretrain") await pretrain(order);
  else {
    const { world, settings, start } = order;
    const trainer = await trainerOf(world, settings, start);
    if (latest !== order.id) return trainer.dispose();
    run = new Run(order, trainer, tell);
    await run.go(0);
  }
}

/** The model of an order at its beginning. If the device turns out to be wrong, the page hears of the other one. */
async function trainerOf(world: World, settings: Settings, start?: Float32Array): Promise<Trainer> {
  if (settings.model === "table") return new Table(world, settings);
  if (start) return new Transformer(world, settings, { start });
  const before = await device;
  const { trainer, chosen } = await begun(world, settings, before);
  if (chosen !== before) {
    device = Promise.resolve(chosen);
    tell({ kind: "ready", ...chosen });
  }
  return trainer;
}

/** Train fresh parameters on P, prompts included, and answer with q0. */
async function pretrain(order: Extract<Order, { kind: "pretrain" }>): Promise<void> {
  const { id, world, seed, steps } = order;
  const settings: Settings = { ...DEFAULTS, ...PRETRAINING, world: world.name, seed, steps };
  const trainer = new Transformer(world, settings, { isFresh: true });
  const frames = Array.from({ length: FRAMES }, (_, i) => Math.round((steps * i) / FRAMES));
  const finish = async (): Promise<void> => {
    const params = await trainer.parameters();
    const last = trainer.prepare(new Float64Array(world.logP.length), 0);
    tell({ kind: "pretrained", id, logQ: (await last.law()).logQ, params });
  };
  run = new Run({ id, role: "tuning", world, settings, frames, finish }, trainer, tell);
  await run.go(steps);
}

self.onmessage = async (event: MessageEvent<Order>): Promise<void> => {
  const order = event.data;
  try {
    if (order.kind === "start" || order.kind === "pretrain") await begin(order);
    else if (order.kind === "go") await run?.go(order.until);
    else if (order.kind === "stop") run?.stop();
  } catch (error) {
    tell({ kind: "failed", id: order.id, why: error instanceof Error ? error.message : String(error) });
  }
};

void device.then((found) => tell({ kind: "ready", ...found }));
