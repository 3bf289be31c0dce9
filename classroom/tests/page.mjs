/**
 * Checks of the built page in Chromium without a network.
 * Usage: node page.mjs PAGE.html CHROMIUM FOLDER [CHECK ...]. Prints one JSON object: "ok" or what failed, for each check.
 */
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const [page, executablePath, folder, ...wanted] = process.argv.slice(2);
const address = pathToFileURL(page).href;
const axe = readFileSync(join(dirname(fileURLToPath(import.meta.url)), "..", "node_modules", "axe-core", "axe.min.js"), "utf8");
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
const lessons = readdirSync(join(dirname(fileURLToPath(import.meta.url)), "..", "recorded")).filter((name) => name.endsWith(".json")).length; // each has recorded runs
const LONG = 240_000; // [ms] machines of CI are slow, and no check asserts a time
const TABLE = "model=table&rate=0.1&steps=20";
const noise = []; // console errors and requests, over all checks

async function open(hash, { width = 1280, height = 720, before = null, ...more } = {}) {
  const context = await browser.newContext({ offline: true, viewport: { width, height }, locale: "en", ...more });
  const tab = await context.newPage();
  tab.setDefaultTimeout(LONG);
  tab.on("pageerror", (error) => noise.push(`${hash}: ${error}`));
  tab.on("console", (line) => (["error", "warning"].includes(line.type()) ? noise.push(`${hash}: ${line.text()}`) : null));
  tab.on("request", (request) => (/^(file|blob|data):/.test(request.url()) ? null : noise.push(`request: ${request.url()}`)));
  if (before) await tab.addInitScript(before);
  await tab.goto(`${address}#${hash}`);
  return tab;
}
const close = (tab) => tab.context().close();
const phase = (tab, ...names) => tab.waitForFunction((names) => names.includes(document.documentElement.dataset.phase), names);
const done = (tab) => phase(tab, "done");
const picture = (tab) => tab.evaluate(() => [...document.querySelectorAll("#answers .columns, main svg, #numbers table")].map((one) => one.textContent + one.innerHTML).join(""));
const settle = async (tab) => {
  await done(tab);
  await tab.waitForTimeout(400);
};

/** Open every group of controls. */
const unfold = (tab) => tab.evaluate(() => document.querySelectorAll("details").forEach((one) => (one.open = true)));

/** Change one control by keyboard or choice; the picture has to become another one. */
async function repaints(key, hash, act) {
  const tab = await open(hash);
  await settle(tab);
  await unfold(tab);
  const before = await picture(tab);
  const told = () => new URLSearchParams(new URL(tab.url()).hash.slice(1)).get(key);
  const was = told();
  await act(tab, `#set-${key}`);
  await tab.waitForFunction(
    (before) => document.documentElement.dataset.phase === "done" && [...document.querySelectorAll("#answers .columns, main svg, #numbers table")].map((one) => one.textContent + one.innerHTML).join("") !== before,
    before,
  );
  assert.notEqual(told(), was, `${key} is not changed in the hash: ${tab.url().slice(-120)}`);
  await close(tab);
}
const choose = (value) => (tab, id) => tab.selectOption(id, value);
const press = (key, times = 2) => async (tab, id) => {
  await tab.focus(id);
  for (let i = 0; i < times; i++) await tab.keyboard.press(key);
};
const type = (text) => async (tab, id) => {
  await tab.fill(id, text);
  await tab.keyboard.press("Tab");
};
const FEW = "model=transformer&steps=4";
const CONTROLS = {
  world: [TABLE, choose("chinese")], keep: [TABLE, choose("random_half")], style: [TABLE, choose("1")], replay: [TABLE, press("ArrowRight", 6)],
  temperature: [TABLE, press("ArrowRight")], answers: [TABLE, press("ArrowRight", 1)], epochs: [`${TABLE}&answers=2&epochs=5`, press("ArrowRight")],
  annotator: [`${TABLE}&answers=8`, choose("homogeneous")], optimizer: [TABLE, choose("sgd")], rate: [TABLE, press("ArrowRight")], warmup: [TABLE, press("ArrowRight")],
  decay: [TABLE, choose("cosine")], targets: [TABLE, choose("sampled")], batch: [`${TABLE}&targets=sampled`, press("ArrowRight")], steps: [TABLE, press("ArrowRight")],
  seed: [`${TABLE}&targets=sampled`, type("5")], shots: [`${TABLE}&world=examples&style=0`, press("ArrowRight", 1)], control: [TABLE, choose("style_blind")],
  model: [FEW, choose("table")], rank: [FEW, press("ArrowRight", 1)], decode: [FEW, press("ArrowRight", 4)],
};

async function accessible(tab, what) {
  await tab.addScriptTag({ content: axe });
  const found = await tab.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  const told = found.violations.map((v) => `${v.id}: ${v.nodes.slice(0, 3).map((n) => `${n.html.slice(0, 120)} ${n.failureSummary}`).join(" / ")}`);
  assert.deepEqual(told, [], what);
}

/** Letters inside of pictures neither overlap nor leave their picture, and nothing is wider than the window. */
async function legible(tab, what) {
  const faults = await tab.evaluate(() => {
    const found = [];
    if (document.documentElement.scrollWidth > innerWidth) found.push(`the page is ${document.documentElement.scrollWidth} px wide`);
    for (const svg of document.querySelectorAll("main svg:not(.mark)")) {
      const frame = svg.getBoundingClientRect();
      const texts = [...svg.querySelectorAll("text")].map((text) => [text.textContent, text.getBoundingClientRect()]);
      for (const [words, box] of texts) if (box.left < frame.left - 2 || box.right > frame.right + 2 || box.bottom > frame.bottom + 2) found.push(`cut: ${words}`);
      texts.forEach(([a, one], i) => texts.slice(i + 1).forEach(([b, two]) => {
        const across = Math.min(one.right, two.right) - Math.max(one.left, two.left);
        const down = Math.min(one.bottom, two.bottom) - Math.max(one.top, two.top);
        if (across > 1 && down > 4) found.push(`overlap: ${a} | ${b}`);
      }));
      for (const text of svg.querySelectorAll("text")) if (parseFloat(getComputedStyle(text).fontSize) < 14) found.push(`small: ${text.textContent}`);
    }
    for (const one of document.querySelectorAll("#counter, button, select, .answers li span:not(.sr), h1, h2:not(.sr), h3")) if (one.scrollWidth > one.clientWidth + 2 && one.clientWidth) found.push(`cut: ${one.textContent.slice(0, 40)}`);
    return found;
  });
  assert.deepEqual(faults, [], what);
}

const checks = {
  every_control_repaints: async () => {
    for (const [key, [hash, act]] of Object.entries(CONTROLS)) {
      await repaints(key, hash, act).catch((error) => {
        throw new Error(`${key}: ${error.message}`);
      });
    }
  },
  play_step_and_reset: async () => {
    const tab = await open(TABLE, { reducedMotion: "reduce" });
    const counter = (words) => tab.waitForFunction((words) => document.querySelector("#counter").textContent === words, words);
    await phase(tab, "ready");
    await counter("step 0 of 20");
    for (const k of [1, 2, 3]) {
      await tab.click("#step");
      await counter(`step ${k} of 20`);
    }
    await tab.click("#play");
    await done(tab);
    await counter("step 20 of 20");
    await tab.click("#reset");
    await counter("step 0 of 20");
    await close(tab);
  },
  keyboard_alone_reaches_everything: async () => {
    const tab = await open(TABLE);
    await settle(tab);
    const seen = new Set();
    for (let i = 0; i < 80; i++) {
      await tab.keyboard.press("Tab");
      const [name, visible, kind] = await tab.evaluate(() => {
        const one = document.activeElement;
        if (one?.tagName === "SUMMARY" && !one.parentElement.open) one.dataset.toOpen = "1";
        const style = one ? getComputedStyle(one) : null;
        return [one?.id || one?.getAttribute("aria-label") || one?.textContent?.slice(0, 30), style?.outlineStyle !== "none" && parseFloat(style?.outlineWidth) >= 2, one?.tagName];
      });
      if (kind === "BODY") break;
      assert.ok(visible, `no visible focus: ${name}`);
      if (kind === "SUMMARY") await tab.keyboard.press("Enter");
      seen.add(name);
    }
    const reasons = ["epochs", "annotator", "rank", "batch", "shots", "decode"].map((key) => `set-${key}`); // disabled in this world
    for (const id of ["play", "reset", "language", "tab-controls", "tab-lessons", "prompt", "again", "log-axes", ...Object.keys(CONTROLS).map((key) => `set-${key}`).filter((id) => !reasons.includes(id))]) {
      assert.ok(seen.has(id), `Tab does not reach ${id}: ${[...seen].join(", ")}`);
    }
    assert.equal([...seen].filter((name) => /: (Fine-tuning|Control)/.test(name)).length >= 6, true, `pictures: ${[...seen].join(", ")}`);
    await close(tab);
  },
  numbers_on_focus_hover_and_touch: async () => {
    const tab = await open(TABLE, { hasTouch: true });
    await settle(tab);
    const tip = () => tab.evaluate(() => (document.querySelector(".tip").hidden ? "" : document.querySelector(".tip").innerText));
    for (const id of ["styles", "dots", "forgetting"]) {
      await tab.focus(`#${id} .panel`);
      await tab.keyboard.press("ArrowLeft");
      assert.match(await tip(), /nat \((exact|bounded)\)/, id);
      const value = await tab.getAttribute(`#${id} .panel`, "aria-valuetext");
      assert.match(value, /nat \((exact|bounded)\)/, id);
      await tab.keyboard.press("Escape");
      assert.equal(await tip(), "", "Escape closes it");
    }
    await tab.hover("#answers .after li:nth-child(3)");
    assert.match(await tip(), /log q = .* nat \(exact\)/);
    const panel = tab.locator("#forgetting .panel").first();
    await panel.scrollIntoViewIfNeeded();
    await panel.hover({ position: { x: 200, y: 120 } });
    assert.match(await tip(), /gate: .* nat \(exact\)/);
    await panel.tap({ position: { x: 150, y: 120 } });
    assert.match(await tip(), /after step \d+/);
    const cells = await tab.evaluate(() => [...document.querySelectorAll("#numbers td")].filter((cell) => /\d/.test(cell.textContent)).map((cell) => cell.textContent));
    assert.ok(cells.length > 40 && cells.every((words) => /(exact|bounded|estimated)$/.test(words)), cells.find((words) => !/(exact|bounded|estimated)$/.test(words)));
    await close(tab);
  },
  a_hash_gives_the_same_page_again: async () => {
    const tab = await open(TABLE);
    await settle(tab);
    await unfold(tab);
    await tab.selectOption("#set-keep", "likeliest_half");
    await press("ArrowRight")(tab, "#set-replay");
    await type("12")(tab, "#set-seed");
    await tab.selectOption("#prompt", { index: 2 });
    await tab.waitForTimeout(500);
    await settle(tab);
    const [url, one] = [tab.url(), await picture(tab)];
    const other = await open(new URL(url).hash.slice(1));
    await settle(other);
    assert.equal(other.url(), url);
    assert.equal(await picture(other), one);
    await close(tab);
    await close(other);
  },
  a_bad_hash_gives_one_line_and_the_defaults: async () => {
    const tab = await open("lang=en&rate=fast&steps=20");
    const line = await tab.textContent(".alert");
    assert.match(line, /^Address: “rate” .* found “fast”/);
    assert.match(await tab.textContent("#counter"), /of 100$/);
    await close(tab);
    const other = await open("lang=en&model=table&style=9");
    assert.match(await other.textContent(".alert"), /^Address: “style” .* found “9”/);
    await close(other);
  },
  a_control_that_does_not_exist_is_told_and_can_be_left: async () => {
    const tab = await open(`lang=en&${TABLE}&keep=everything&control=style_blind`);
    assert.match(await tab.textContent(".alert"), /^control: a part of P that leaves out answers is required/);
    assert.ok(!(await tab.isVisible("#main")), "no pictures of other settings");
    await tab.selectOption("#set-keep", "style");
    await settle(tab);
    assert.ok(await tab.isVisible("#main"));
    await close(tab);
  },
  own_sentences: async () => {
    const tab = await open(TABLE);
    await settle(tab);
    await tab.selectOption("#set-world", "own");
    await tab.fill("#own-text", "one two | a | 1\nthree | b | heavy");
    await tab.click("#own-use");
    assert.match(await tab.textContent("#own-error"), /^line 2: /);
    assert.equal((await tab.textContent("#own-error")).split("\n").length, 1);
    await tab.fill("#own-text", Array.from({ length: 129 }, (_, i) => `sentence number ${i}`).join("\n"));
    await tab.click("#own-use");
    assert.match(await tab.textContent("#own-error"), /128/);
    await tab.fill("#own-text", "red sky | sea | 1\ngreen sea | sea | 2\nold tree | land | 3\nyoung grass | land | 1");
    await tab.click("#own-use");
    assert.equal(await tab.textContent("#own-error"), "");
    await tab.waitForFunction(() => /old tree|red sky|green sea|young grass/.test(document.querySelector("#answers .after").textContent));
    await settle(tab);
    assert.match(tab.url(), /own=red/);
    await close(tab);
  },
  own_sentences_train_the_transformer: async () => {
    const own = encodeURIComponent("red sky | sea | 1\ngreen sea | sea | 2\nold tree | land | 3\nyoung grass | land | 1");
    const tab = await open(`world=own&steps=3&style=0&own=${own}`);
    await legible(tab, "while the sentences are learnt");
    await settle(tab);
    const before = await tab.textContent("#answers .before");
    assert.match(before, /old tree/);
    assert.equal(await tab.textContent("#counter"), "step 3 of 3");
    await close(tab);
  },
  no_accessibility_violation: async () => {
    const lesson = await open(TABLE);
    await settle(lesson);
    await unfold(lesson);
    await accessible(lesson, "English, all controls");
    await lesson.click("#tab-lessons");
    await accessible(lesson, "list of lessons");
    await close(lesson);
    for (const [hash, width, height] of [[`lang=zh&${TABLE}`, 1280, 720], [`lang=zh&${TABLE}`, 390, 844], [`lang=en&world=own&${TABLE}`, 390, 844]]) {
      const tab = await open(hash, { width, height });
      await phase(tab, "done", "waiting");
      await accessible(tab, `${hash} at ${width}`);
      await close(tab);
    }
  },
  lessons_are_predict_do_see: async () => {
    const tab = await open("lang=en&model=table");
    await settle(tab);
    await tab.click("#tab-lessons");
    assert.equal(await tab.locator("button.lesson").count(), lessons, "every lesson is listed");
    await tab.locator("button.lesson").first().click();
    for (const id of ["lesson-start", "play", "step"]) assert.ok(await tab.isDisabled(`#${id}`), `${id}: nothing starts before a prediction`);
    await tab.locator("input[name=prediction]").first().check();
    await tab.click("#lesson-start");
    await tab.waitForSelector(".after button");
    assert.equal(await tab.locator(".lessons ul li").count(), 3, "the choices stay");
    assert.equal(await tab.locator(".after p").count(), 0, "the picture answers first");
    await tab.click("#lesson-meaning");
    assert.match(await tab.textContent(".after .theory"), /^Theorem T\d+ in/);
    await accessible(tab, "a lesson after its training");
    await tab.click("#language");
    assert.match(await tab.textContent(".predicted"), /你的预测/, "a prediction outlives a change of language");
    assert.match(await tab.inputValue("#own-text"), /[\u4e00-\u9fff]/, "the lesson's own sentences are in the other language");
    await settle(tab);
    await tab.click("#tab-controls");
    await tab.selectOption("#set-style", "0");
    await settle(tab);
    await tab.click("#tab-lessons");
    await tab.click("#lesson-start");
    await settle(tab);
    assert.equal(new URLSearchParams(new URL(tab.url()).hash.slice(1)).get("style"), "0", "what the lesson told to change is kept");
    await close(tab);
    const small = await open("lang=zh&lesson=gate&model=table", { width: 390, height: 844 });
    await phase(small, "ready");
    await accessible(small, "a lesson before its training");
    await legible(small, "a lesson on a phone");
    await close(small);
  },
  recorded_runs_without_workers: async () => {
    for (const before of ["delete globalThis.Worker", "delete globalThis.WebAssembly"]) {
      const tab = await open("lang=en", { before });
      assert.match(await tab.textContent(".alert"), /recorded/i);
      assert.ok(await tab.isDisabled("#set-keep"), "controls are locked");
      await phase(tab, "done", "running");
      const cells = await tab.evaluate(() => [...document.querySelectorAll("#numbers td small")].map((one) => one.textContent));
      assert.ok(cells.every((words) => words === "recorded, rounded"), "no recorded number is called exact");
      await close(tab);
    }
  },
  a_slow_browser_says_how_long_it_takes: async () => {
    // every frame comes 3 s after the one before, as in a browser with a slow engine
    const before = `const Own = Worker; let last = 0;
      globalThis.Worker = class extends Own {
        set onmessage(hear) {
          super.onmessage = (event) => {
            last = event.data.kind === "frame" ? Math.max(last + 3000, performance.now()) : last;
            setTimeout(() => hear(event), Math.max(0, last - performance.now()));
          };
        }
      };`;
    const tab = await open("lang=en&model=table&rate=0.1&steps=60&control=none", { before });
    assert.equal(await tab.isHidden(".alert"), true, "nothing is said before it is known");
    await tab.waitForFunction(() => /takes about \d+ min/.test(document.querySelector(".alert").textContent));
    const [, minutes] = (await tab.textContent(".alert")).match(/about (\d+) min/);
    assert.ok(Number(minutes) >= 2 && Number(minutes) <= 3, `58 steps of 3 s, found ${minutes} min`);
    await tab.click("#reset");
    await tab.waitForFunction(() => document.querySelector(".alert").hidden);
    await close(tab);
    const fast = await open(TABLE);
    await settle(fast);
    assert.equal(await fast.isHidden(".alert"), true, "a fast one says nothing");
    await close(fast);
  },
  both_languages: async () => {
    const tab = await open(TABLE);
    await settle(tab);
    assert.equal(await tab.getAttribute("html", "lang"), "en");
    await tab.click("#language");
    assert.equal(await tab.getAttribute("html", "lang"), "zh-CN");
    assert.match(tab.url(), /lang=zh/);
    await settle(tab);
    const left = await tab.evaluate(() => document.body.innerText.match(/\b(the|answers|training|step)\b/gi));
    assert.equal(left, null, "no English words are left");
    assert.equal(await tab.evaluate(() => document.activeElement?.id), "language");
    await close(tab);
    const asked = await open("", { locale: "zh-CN" });
    assert.equal(await asked.getAttribute("html", "lang"), "zh-CN");
    await asked.goto(`${address}?lang=en`);
    assert.equal(await asked.getAttribute("html", "lang"), "en");
    await close(asked);
  },
  screenshots_are_legible: async () => {
    for (const lang of ["en", "zh"]) {
      for (const [width, height] of [[1280, 720], [390, 844]]) {
        const tab = await open(`lang=${lang}&${TABLE}`, { width, height });
        await settle(tab);
        await tab.screenshot({ path: join(folder, `${lang}_${width}.png`) });
        await tab.screenshot({ path: join(folder, `${lang}_${width}_whole.png`), fullPage: true });
        await legible(tab, `${lang} at ${width}`);
        await close(tab);
        const law = await open(`lang=${lang}&model=table&rate=0.5&steps=2000&optimizer=sgd&control=style_blind`, { width, height });
        await settle(law);
        await legible(law, `${lang} at ${width}, logarithmic`);
        await close(law);
      }
    }
  },
};

const results = {};
for (const [name, check] of Object.entries(checks)) {
  if (wanted.length && !wanted.includes(name)) continue;
  try {
    await check();
    results[name] = "ok";
  } catch (error) {
    results[name] = String(error?.message ?? error).slice(0, 1500);
  }
  process.stderr.write(`${name}: ${results[name]}\n`);
}
results["no_console_error_and_no_request"] = noise.length ? noise.slice(0, 5).join("; ") : "ok";
await browser.close();
console.log(JSON.stringify(results));
