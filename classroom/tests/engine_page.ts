/** A page with nothing but the engine: tests drive it as `window.engine`, and it stands in until there is a page. */

import source from "classroom:worker";
import worlds from "classroom:worlds";
import { DEFAULTS, type News, type Order } from "../contract";
import * as laws from "../laws";

/** Start a worker from the text of its source. Workers under file:// need that. */
function worker(): Worker {
  return new Worker(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
}

const engine = { worker, worlds, laws, DEFAULTS, news: [] as News[], order: (_: Order): void => {} };
const one = worker();
one.onmessage = (event: MessageEvent<News>): void => void engine.news.push(event.data);
engine.order = (order: Order): void => one.postMessage(order);
Object.assign(window, { engine });
