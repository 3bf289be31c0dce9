/** A page with nothing but the engine. Tests and the recorder of the lessons drive it as `window.engine`. */

import source from "classroom:worker";
import worlds from "classroom:worlds";
import { DEFAULTS, type News, type Order } from "../src/contract";
import * as laws from "../src/laws";

/** Start a worker from the text of its source. Workers under file:// need that. */
function worker(): Worker {
  return new Worker(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
}

const engine = { worker, worlds, laws, DEFAULTS, news: [] as News[], order: (_: Order): void => {} };
const one = worker();
one.onmessage = (event: MessageEvent<News>): void => void engine.news.push(event.data);
engine.order = (order: Order): void => one.postMessage(order);
Object.assign(window, { engine });
