/**
 * Do the trainings of lessons outside of the page: the transformer by the page's engine in a browser without a network,
 * the table in node. `open` gives a function that trains, and the modules of the page that a caller needs.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");

/** The modules of the page that know no browser, in one. */
export async function modules() {
  const contents = `
    export * from "./src/laws";
    export { weights } from "./src/laws/targets";
    export { Table } from "./src/engine/table";
    export { scheduled } from "./src/engine/trainer";
    export { DEFAULTS } from "./src/contract";
    export { lessons } from "./src/lessons/index";
    export * as reading from "./src/lessons/reading";
    export { FIELDS } from "./src/page/fields";
    export { en } from "./src/text/en";
    export { zh } from "./src/text/zh";
  `;
  const stdin = { contents, resolveDir: root, loader: "ts" };
  const { outputFiles } = await build({ stdin, bundle: true, write: false, format: "esm", target: "es2022", logLevel: "warning" });
  return import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].text).toString("base64")}`);
}

/** A frozen world by its name, or that of own sentences. */
export function worldOf(m, settings) {
  if (settings.world === "own") return m.parseOwn(settings.own);
  return JSON.parse(readFileSync(join(root, "worlds", `${settings.world}.json`), "utf8"));
}

/** The settings with which the page begins a lesson. */
export function settingsOf(m, lesson, language, seed) {
  const text = lesson[language];
  const world = language === "zh" ? "chinese" : "english";
  return { ...m.DEFAULTS, world, ...lesson.settings, seed, ...(text.own ? { own: text.own } : {}) };
}

/** Whether a seed changes anything in these settings, given which side is trained. */
export function hasDice(settings, role) {
  const draws = settings.answers > 0 && settings.annotator !== "homogeneous" && role === "tuning";
  const blind = settings.control === "style_blind" && role === "control";
  return draws || blind || settings.targets === "sampled" || settings.rank > 0 || settings.keep === "random_half";
}

async function table(m, world, settings, role, frames) {
  const learnt = role === "tuning" ? m.target(world, settings) : m.controlTarget(world, settings);
  const steps = m.stepsOf(world, settings);
  const model = new m.Table(world, settings);
  const found = [];
  for (let step = 0; ; step++) {
    if (frames.includes(step)) found.push({ step, logQ: model.law() });
    if (step === steps) return { frames: found, logits: null };
    const dice = m.uniform(settings.seed, step, role === "tuning" ? 1 : 2);
    model.prepare(m.weights(learnt, world, settings, dice), m.scheduled(settings, step, steps));
    await model.commit();
  }
}

/** In the page: one training by a worker of its own. With `rests` it rests at every frame, so each has its logits. */
async function inPage({ world, settings, role, frames, until, rests }) {
  const worker = window.engine.worker();
  const found = { frames: [], logits: null, each: [] };
  const places = rests ? frames.filter((step) => step > 0) : [until];
  try {
    await new Promise((resolve, reject) => {
      worker.onerror = (event) => reject(new Error(event.message));
      worker.onmessage = ({ data: news }) => {
        if (news.kind === "failed") reject(new Error(news.why));
        if (news.kind === "frame" && news.step > (found.frames.at(-1)?.step ?? -1)) found.frames.push({ step: news.step, logQ: Array.from(news.logQ) });
        if (news.kind === "nodes" && news.step === until) found.logits = Array.from(news.logits);
        if (news.kind === "nodes" && rests) found.each.push(Array.from(news.logits));
        if (news.kind === "done" && news.step === until) resolve();
        else if (news.kind === "done") worker.postMessage({ kind: "go", id: 1, until: places.find((step) => step > news.step) });
      };
      worker.postMessage({ kind: "start", id: 1, world, settings, role, frames });
    });
  } finally {
    worker.terminate();
  }
  return found;
}

/**
 * Build the engine and begin a browser, if a file of one is given. `train` returns the frames at some steps and the logits
 * of the last law, `close` ends the browser.
 */
export async function open(m, executablePath) {
  const tableOnly = { train: (world, settings, role, frames) => table(m, world, settings, role, frames), close: async () => {} };
  if (!executablePath) return tableOnly;
  const { chromium } = await import("playwright-core");
  const folder = mkdtempSync(join(tmpdir(), "classroom-"));
  const file = join(folder, "engine.html");
  const made = spawnSync(process.execPath, [join(root, "build.mjs"), "--entry", "tests/engine_page.ts", "--out", file], { encoding: "utf8" });
  if (made.status !== 0) throw new Error(made.stderr);
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
  const page = await (await browser.newContext({ offline: true })).newPage();
  await page.goto(`file://${file}`);
  const train = async (world, settings, role, frames, rests = false) => {
    if (settings.model === "table") return table(m, world, settings, role, frames);
    const found = await page.evaluate(inPage, { world, settings, role, frames, rests, until: m.stepsOf(world, settings) });
    return { ...found, frames: found.frames.map(({ step, logQ }) => ({ step, logQ: Float64Array.from(logQ) })) };
  };
  const close = async () => {
    await browser.close();
    rmSync(folder, { recursive: true, force: true });
  };
  return { train, close };
}

/** Steps of a training that are told: dense at the beginning; and the steps that a law over many steps is read at. */
export function frameSteps(total, count = 12) {
  const even = total <= 200;
  const place = (i) => (even ? total * (i / (count - 1)) ** 1.7 : total ** (i / (count - 1)));
  return [...new Set([0, ...Array.from({ length: count }, (_, i) => Math.round(place(i))), total])].sort((a, b) => a - b);
}
