/**
 * Do the lessons over several seeds, in the page's own engine, and write what they show and the numbers of the frames.
 *
 * It reads {browser, jobs} as JSON from the standard input, and writes a list with an answer to each job:
 * "texts": the texts of all lessons and the words of the page; "recorded": what the lessons see in the recorded runs; "again":
 * the recorded runs whose settings are those of the lesson, and for those on the table what a new training gives;
 * {lessons, languages, seeds, settings}: for each lesson and language {lesson, language, dice, runs: [{seed, shown, ...}]},
 * with these settings in place of its own. Without a browser only trainings of the table are done. A training without
 * dice is done once, whatever the number of seeds.
 */
import { readFileSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { frameSteps, hasDice, modules, open, settingsOf, worldOf } from "../recorded/driver.mjs";

const { browser, jobs } = JSON.parse(readFileSync(0, "utf8"));
const m = await modules();

/** What the page hands to `shown`, and the numbers that the teacher's sheet has. */
async function look(engine, lesson, language, seed, known) {
  const settings = settingsOf(m, lesson, language, seed);
  const world = worldOf(m, settings);
  const total = m.stepsOf(world, settings);
  const frames = [...new Set([...frameSteps(total), ...[30, 200].filter((step) => total > 200 && step < total)])].sort((a, b) => a - b);
  for (const role of ["tuning", "control"]) {
    // A control with dice is done once too, unless it is what the dice are about.
    const again = hasDice(settings, role) && (role === "tuning" || settings.control === "style_blind");
    if (!known[role] || again) known[role] = await engine.train(world, settings, role, frames);
  }
  const heated = (role) => {
    const { logits, frames: all } = known[role];
    return logits ? { step: all.at(-1).step, logQ: m.decoded(world, logits, settings.decode) } : null;
  };
  const decoded = settings.decode === 1 ? undefined : { tuning: heated("tuning"), control: heated("control") };
  const seen = { world, settings, tuning: known.tuning.frames, control: known.control.frames, decoded };
  const [q, c] = [m.reading.ends(seen), m.reading.ends(seen, "control")];
  const view = m.reading.viewed(seen);
  const { logS } = m.target(world, settings);
  const fit = m.kl(view, logS, seen.tuning.at(-1).logQ);
  const numbers = { before: q.first, after: q.last, control: c.last, truth: m.reading.truth(seen), fit, mixture: m.kl(view, view.logP, logS) };
  if (decoded?.tuning) Object.assign(numbers, { hot: m.reading.read(seen, decoded.tuning), hotControl: m.reading.read(seen, decoded.control) });
  return { seed, shown: lesson.shown(seen), numbers, frames: seen.tuning.map((frame) => m.reading.read(seen, frame).lost) };
}

/** What the lessons see in a browser that cannot train. */
function judged() {
  const folder = join(dirname(fileURLToPath(import.meta.url)), "..", "recorded");
  const told = [];
  for (const file of readdirSync(folder).filter((name) => name.endsWith(".json")).sort()) {
    const lesson = m.lessons.find((one) => `${one.id}.json` === file);
    const runs = JSON.parse(readFileSync(join(folder, file), "utf8"));
    for (const run of runs.filter((one) => one.role === "tuning")) {
      const world = worldOf(m, run.settings);
      const framesOf = (one) => {
        const all = m.halves(one.logQ);
        const size = world.logP.length;
        return one.steps.map((step, i) => ({ step, logQ: Float64Array.from(all.slice(i * size, (i + 1) * size)) }));
      };
      const control = runs.find((one) => one.role === "control" && JSON.stringify(one.settings) === JSON.stringify(run.settings));
      const seen = { world, settings: run.settings, tuning: framesOf(run), control: framesOf(control) };
      told.push({ lesson: lesson.id, world: run.settings.world, shown: lesson.shown(seen) });
    }
  }
  return told;
}

/** Every recorded run: whether its settings are those with which its lesson begins, and for the table the laws of a new one. */
async function again(engine) {
  const folder = join(dirname(fileURLToPath(import.meta.url)), "..", "recorded");
  const told = [];
  for (const lesson of m.lessons) {
    for (const run of JSON.parse(readFileSync(join(folder, `${lesson.id}.json`), "utf8"))) {
      const { settings, role, steps } = run;
      const same = ["en", "zh"].some((language) => JSON.stringify(settings) === JSON.stringify(settingsOf(m, lesson, language, 0)));
      const anew = settings.model === "table" ? (await engine.train(worldOf(m, settings), settings, role, steps)).frames : null;
      const laws = anew && { steps: anew.map(({ step }) => step), logQ: anew.flatMap(({ logQ }) => Array.from(logQ)), recorded: Array.from(m.halves(run.logQ)) };
      told.push({ lesson: lesson.id, role, same, steps, laws });
    }
  }
  return told;
}

/** The texts of all lessons, and the words of the page. */
function texts() {
  const { lessons, en, zh } = m;
  const titles = (t) => [t.charts.stylesTitle, t.charts.dotsTitle, t.charts.forgettingTitle, t.answers.title, t.numbers.title];
  const chosen = (t) => m.FIELDS.filter((field) => field.kind === "choice").flatMap(({ key, options }) => options.map((one) => t.option(key, one)));
  const words = (t) => [JSON.stringify(t), ...chosen(t), t.value("rank", 0, "0"), t.value("answers", 0, "0")].join("\n");
  return { lessons, titles: { en: titles(en), zh: titles(zh) }, words: { en: words(en), zh: words(zh) } };
}

/** Lessons over seeds. Without a browser, only those on the table. */
async function tried(engine, { lessons = [], languages = ["en", "zh"], seeds = 10, settings = {} }) {
  const told = [];
  for (const lesson of m.lessons.filter((one) => lessons.length === 0 || lessons.includes(one.id))) {
    const changed = { ...lesson, settings: { ...lesson.settings, ...settings } };
    if (!browser && changed.settings.model !== "table") continue;
    for (const language of languages) {
      const all = settingsOf(m, changed, language, 0);
      const dice = hasDice(all, "tuning") || hasDice(all, "control");
      const [known, runs] = [{}, []];
      for (let seed = 0; seed < (dice ? seeds : 1); seed++) runs.push(await look(engine, changed, language, seed, known));
      told.push({ lesson: lesson.id, language, dice, runs });
      process.stderr.write(`${lesson.id} ${language}: ${runs.filter((run) => run.shown).length} of ${runs.length}\n`);
    }
  }
  return told;
}

const engine = await open(m, browser);
const answers = [];
for (const job of jobs) {
  if (job === "texts") answers.push(texts());
  else if (job === "recorded") answers.push(judged());
  else if (job === "again") answers.push(await again(engine));
  else answers.push(await tried(engine, job));
}
await engine.close();
process.stdout.write(JSON.stringify(answers));
