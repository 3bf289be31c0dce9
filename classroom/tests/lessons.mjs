/**
 * Do the lessons over several seeds, and write what they show: {lesson, language, seeds, shown, numbers} as JSON.
 *
 * It reads {browser, lessons, languages, seeds, check} as JSON from the standard input. Without a browser only lessons on
 * the table are done. A training without dice is done once, whatever the number of seeds.
 * With "check": "texts" nothing is trained: the texts of all lessons and the titles of the page's pictures are written.
 */
import { readFileSync } from "node:fs";
import { frameSteps, hasDice, modules, open, settingsOf, worldOf } from "../recorded/driver.mjs";

const given = { lessons: [], languages: ["en", "zh"], seeds: 10, ...JSON.parse(readFileSync(0, "utf8")) };
const m = await modules();
const chosen = m.lessons.filter((lesson) => given.lessons.length === 0 || given.lessons.includes(lesson.id));

/** What the page hands to `shown`, and the numbers that the teacher's sheet has. */
async function look(engine, lesson, language, seed, known) {
  const settings = settingsOf(m, lesson, language, seed);
  const world = worldOf(m, settings);
  const total = m.stepsOf(world, settings);
  const frames = [...new Set([...frameSteps(total), ...[30, 200].filter((step) => total > 200 && step < total)])].sort((a, b) => a - b);
  for (const role of ["tuning", "control"]) {
    if (!known[role] || hasDice(settings, role)) known[role] = await engine.train(world, settings, role, frames);
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

/** Settings that a lesson asks to try besides its own, with numbers for the teacher's sheet. */
if (given.check === "texts") {
  const { lessons, en, zh } = m;
  const titles = (t) => [t.charts.stylesTitle, t.charts.dotsTitle, t.charts.forgettingTitle, t.answers.title, t.numbers.title, t.numbers.entropy, t.numbers.fit, t.outside, t.tabs.controls];
  process.stdout.write(JSON.stringify({ lessons, titles: { en: titles(en), zh: titles(zh) }, words: { en: JSON.stringify(en), zh: JSON.stringify(zh) } }));
} else {
  const engine = await open(m, given.browser);
  const told = [];
  for (const lesson of chosen) {
    if (!given.browser && lesson.settings.model !== "table") continue;
    for (const language of given.languages) {
      const settings = { ...settingsOf(m, lesson, language, 0), ...given.settings };
      const dice = hasDice(settings, "tuning") || hasDice(settings, "control");
      const [known, runs] = [{}, []];
      const changed = { ...lesson, settings: { ...lesson.settings, ...given.settings } };
      for (let seed = 0; seed < (dice ? given.seeds : 1); seed++) runs.push(await look(engine, changed, language, seed, known));
      told.push({ lesson: lesson.id, language, dice, runs });
      process.stderr.write(`${lesson.id} ${language}: ${runs.filter((run) => run.shown).length} of ${runs.length}\n`);
    }
  }
  await engine.close();
  process.stdout.write(JSON.stringify(told));
}
