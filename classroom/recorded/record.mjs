/**
 * Record the runs of the lessons, for browsers that cannot train: node classroom/recorded/record.mjs BROWSER [lesson ...]
 *
 * The page's own engine makes them. A file holds the tuning and the control of one lesson, in the worlds of both languages:
 * log q(y|x) of every string at about a dozen steps, in half precision. A control on the whole language hardly moves,
 * so it has fewer steps. With a decoding temperature every frame is decoded, because a recorded run has no logits.
 */
import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { frameSteps, modules, open, settingsOf, worldOf } from "./driver.mjs";

const FRAMES = { tuning: 12, control: 3 };
const here = dirname(fileURLToPath(import.meta.url));
const [browser, ...ids] = process.argv.slice(2);
if (!browser) {
  console.error("record: the file of a browser is required as the first argument, found none; give one such as /usr/bin/chromium");
  process.exit(2);
}

/** The bits of the nearest number in half precision, for numbers that are 0 or at least 2^-14; smaller ones become 0. */
export function half(value) {
  if (value === -Infinity) return 0xfc00;
  const size = Math.abs(value);
  if (!(size >= 2 ** -14)) return 0;
  const power = Math.floor(Math.log2(size));
  const steps = Math.round((size / 2 ** power) * 1024) - 1024; // 1024 carries into the exponent, as it should
  return (value < 0 ? 0x8000 : 0) | ((power + 15) * 1024 + steps);
}

const base64 = (numbers) => Buffer.from(Uint16Array.from(numbers, half).buffer).toString("base64");

const m = await modules();
const engine = await open(m, browser);

async function recorded(lesson, language, role) {
  const settings = settingsOf(m, lesson, language, 0);
  const world = worldOf(m, settings);
  const still = role === "control" && settings.control === "identity";
  const steps = frameSteps(m.stepsOf(world, settings), still ? FRAMES.control : FRAMES.tuning);
  const hot = settings.decode !== 1;
  const { frames, each } = await engine.train(world, settings, role, steps, hot);
  const laws = hot ? each.map((logits) => m.decoded(world, logits, settings.decode)) : frames.map((frame) => frame.logQ);
  const note = `lesson ${lesson.id}${hot ? `, decoded at temperature ${settings.decode}` : ""}`;
  return { settings, role, steps: frames.map((frame) => frame.step), logQ: base64(laws.flatMap((law) => Array.from(law))), note };
}

for (const lesson of m.lessons.filter((one) => ids.length === 0 || ids.includes(one.id))) {
  const runs = [];
  for (const language of lesson.settings.world === "examples" ? ["en"] : ["en", "zh"]) {
    for (const role of ["tuning", "control"]) runs.push(await recorded(lesson, language, role));
  }
  const file = join(here, `${lesson.id}.json`);
  writeFileSync(file, `[\n${runs.map((run) => JSON.stringify(run)).join(",\n")}\n]\n`);
  console.log(`${file}: ${runs.length} runs`);
}
await engine.close();
