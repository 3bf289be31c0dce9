/** The worker: it takes orders, trains, and tells the news. The page starts one for the tuning, one for the control. */

import type { News, Order } from "../contract";
import { Run } from "./run";
import { Table } from "./table";
import type { Trainer } from "./trainer";

const tell = (news: News): void => self.postMessage(news);

let run: Run | null = null;

async function start(order: Extract<Order, { kind: "start" }>): Promise<void> {
  run?.end();
  const trainer: Trainer = new Table(order.world, order.settings);
  run = new Run(order, trainer, tell);
  await run.go(0);
}

self.onmessage = async (event: MessageEvent<Order>): Promise<void> => {
  const order = event.data;
  try {
    if (order.kind === "start") await start(order);
    else if (order.kind === "go") await run?.go(order.until);
    else if (order.kind === "stop") run?.stop();
  } catch (error) {
    tell({ kind: "failed", id: order.id, why: error instanceof Error ? error.message : String(error) });
  }
};

tell({ kind: "ready", device: "none", reason: "the table needs no device" });
