/**
 * Train in a real browser without a network, and write what the engine tells.
 *
 * It reads {page, browser, args, cases: [{order fields, until}]} as JSON from the standard input and writes
 * {ready, runs: [news], console, requests}. Arrays of floats are written as lists, infinite numbers as texts.
 */
import { readFileSync } from "node:fs";
import { chromium } from "playwright-core";

const { page: file, browser: executablePath, args = [], cases } = JSON.parse(readFileSync(0, "utf8"));
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", ...args] });
const context = await browser.newContext({ offline: true });
const page = await context.newPage();
const [lines, requests] = [[], []];
page.on("console", (message) => lines.push(message.text()));
page.on("pageerror", (error) => lines.push(String(error)));
page.on("request", (request) => requests.push(request.url()));
await page.goto(`file://${file}`);

/** In the page: do one case and return its news. */
async function one({ id, until, kind = "start", pieces = [], ...rest }) {
  const { engine } = window;
  const world = typeof rest.world === "string" ? engine.worlds[rest.world] : engine.laws.parseOwn(rest.text);
  const ends = kind === "start" ? "done" : "pretrained";
  const wait = (step) =>
    new Promise((resolve) => {
      const look = () => {
        const found = engine.news.find((news) => news.id === id && (news.kind === "failed" || (news.kind === ends && (ends !== "done" || news.step >= step))));
        if (found) resolve(found);
        else setTimeout(look, 5);
      };
      look();
    });
  const settings = { ...engine.DEFAULTS, ...rest.settings, world: world.name };
  const start = rest.start && Float32Array.from(rest.start);
  const began = performance.now();
  engine.order({ kind, id, role: "tuning", frames: [], seed: 0, steps: until, ...rest, start, world, settings });
  if (kind === "start") {
    await wait(0);
    for (const step of [...pieces, ...(until > 0 ? [until] : [])]) {
      engine.order({ kind: "go", id, until: step });
      await wait(step);
    }
  }
  await wait(until);
  const news = engine.news.filter((found) => found.id === id);
  const ms = performance.now() - began;
  const listed = (_, value) => {
    if (ArrayBuffer.isView(value)) return Array.from(value);
    return typeof value === "number" && !Number.isFinite(value) ? String(value) : value;
  };
  return { ms, news: JSON.parse(JSON.stringify(news, listed)) };
}

const ready = await page.evaluate(async () => {
  for (;;) {
    const found = window.engine.news.find((news) => news.kind === "ready");
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
});
const runs = [];
for (const [index, given] of cases.entries()) runs.push(await page.evaluate(one, { id: index + 1, ...given }));
await browser.close();
process.stdout.write(JSON.stringify({ ready, runs, console: lines, requests }));
