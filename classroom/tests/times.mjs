// How long the built page takes: node classroom/tests/times.mjs [chromium]. Nothing is asserted, because machines differ.
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const page = new URL("../../build/classroom/classroom.html", import.meta.url);
const executablePath = process.argv[2] ?? "/usr/bin/chromium";
const counter = () => (document.body.innerText.match(/step\s+(\d+)\s+of\s+(\d+)/) ?? []).slice(1).map(Number);

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
const context = await browser.newContext({ offline: true, viewport: { width: 1280, height: 720 } });
for (let round = 1; round <= 3; round++) {
  const tab = await context.newPage();
  let began = performance.now();
  const since = () => `${((performance.now() - began) / 1000).toFixed(2)} s`;
  const reached = (test) => tab.waitForFunction(test, null, { timeout: 120_000, polling: 20 });
  await tab.goto(`file://${fileURLToPath(page)}#steps=100`);
  await tab.waitForSelector("svg");
  const picture = since();
  await reached(() => /step\s+[1-9]\d*\s+of/.test(document.body.innerText));
  const first = since();
  await reached(() => /step\s+100\s+of\s+100/.test(document.body.innerText));
  const finished = since();
  await tab.focus("input[type=range]");
  began = performance.now();
  await tab.keyboard.press("ArrowRight");
  await reached(() => /step\s+[1-9]\d?\s+of\s+100/.test(document.body.innerText));
  console.log(`round ${round}: first picture ${picture}, first step ${first}, 100 steps with the control ${finished}, a slider to a new picture ${since()}`);
  if ((await tab.evaluate(counter)).length !== 2) throw new Error("counter: a step is required, found none");
  await tab.close();
}
await browser.close();
