/** Checks of the page's pure modules without a browser. Prints one JSON object: the name of each check and "ok" or what failed. */
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const contents = `export * as hash from "./page/hash"; export * as fields from "./page/fields"; export * as scale from "./page/charts/scale";
export * as styles from "./page/charts/styles"; export * as format from "./page/format"; export * as runs from "./page/runs"; export * as measure from "./page/measure"; export * as laws from "./laws"; export { en } from "./text/en"; export { zh } from "./text/zh"; export { DEFAULTS } from "./contract";`;
const { outputFiles } = await build({ stdin: { contents, resolveDir: join(here, "..", "src"), loader: "ts" }, bundle: true, write: false, format: "esm" });
const { hash, fields, scale, styles, format, runs, measure, laws, en, zh, DEFAULTS } = await import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].text).toString("base64")}`);

const worlds = Object.fromEntries(["english", "examples"].map((name) => [name, JSON.parse(readFileSync(join(here, "..", "worlds", `${name}.json`), "utf8"))]));
const keysOf = (value, path = "") =>
  value !== null && typeof value === "object" ? Object.entries(value).flatMap(([key, inner]) => keysOf(inner, `${path}/${key}`)) : [`${path}:${typeof value}`];

const checks = {
  every_setting_has_a_control: () => {
    assert.deepEqual(fields.FIELDS.map((f) => f.key).concat("own").sort(), Object.keys(DEFAULTS).sort());
  },
  a_hash_comes_back: () => {
    for (let k = 0; k < 300; k++) {
      const settings = { ...DEFAULTS, own: k % 3 ? "" : "a & b | 诗意 | 2\n# = ? %" };
      for (const [i, field] of fields.FIELDS.entries()) {
        const all = field.key === "shots" ? [0, 1, 2] : field.kind === "slider" ? field.values : field.kind === "number" ? [0, 7, 4711] : field.key === "style" ? [0, 1, 3] : field.options;
        settings[field.key] = all[(k * (i + 1) + i) % all.length];
      }
      const shown = { settings, language: k % 2 ? "en" : "zh", lesson: k % 5 ? "" : "gate", axes: ["auto", "linear", "log"][k % 3], prompt: k % 4 };
      const { shown: back, fault } = hash.read(`#${hash.write(shown, DEFAULTS)}`, DEFAULTS, "en", () => null);
      assert.equal(fault, null);
      assert.deepEqual(back, shown);
    }
  },
  a_bad_hash_gives_one_fault_and_the_defaults: () => {
    for (const bad of ["rate=fast", "rate=-1", "steps=2.5", "keep=all", "nothing=1", "lang=de", "steps=", "seed=1e99", "axes=3", "prompt=-1", "temperature=0", "lesson=nothing", "style=-1"]) {
      const { shown, fault } = hash.read(`#model=table&${bad}`, DEFAULTS, "en", () => null);
      assert.equal(fault?.key, bad.split("=")[0], bad);
      assert.deepEqual(shown.settings, DEFAULTS);
      for (const t of [en, zh]) assert.ok(!t.badHash(fault.key, fault.found, fault.need).includes("\n"));
    }
  },
  an_address_names_only_what_its_world_has: () => {
    const worldOf = ({ world, own }) => (world === "own" ? laws.parseOwn(own) : worlds[world]);
    const read = (text) => hash.read(`#${text}`, { ...DEFAULTS, style: 3 }, "en", worldOf);
    const own = `own=${encodeURIComponent("a b | x\nc d | y")}&world=own`;
    for (const bad of ["style=4", "style=9&keep=everything", "world=examples&style=2", "world=examples&style=1&shots=3", "world=examples&shots=8", `${own}&style=2`, "prompt=4"]) {
      const { shown, fault } = read(`rate=0.1&${bad}`);
      const key = ["shots", "prompt", "style"].find((one) => bad.includes(one));
      assert.deepEqual([fault?.key, fault?.found], [key, new URLSearchParams(bad).get(key)], bad);
      assert.deepEqual(shown.settings, { ...DEFAULTS, style: 3 }, bad);
    }
    for (const good of ["style=3", "world=examples&style=1&shots=2", `${own}&style=1`]) assert.equal(read(good).fault, null, good);
    assert.deepEqual([read("world=examples").fault, read("world=examples").shown.settings.style], [null, 1], "a default is moved");
  },
  a_change_of_the_world_moves_what_it_lacks: () => {
    const settings = { ...DEFAULTS, world: "examples", style: 3, shots: 4 };
    assert.deepEqual(fields.inside(settings, worlds.examples), { ...settings, style: 1, shots: 2 });
    assert.deepEqual(fields.inside({ ...settings, world: "english" }, worlds.english), { ...settings, world: "english" });
  },
  worked_examples_are_those_of_the_world: () => {
    const field = fields.FIELDS.find((one) => one.key === "shots");
    assert.deepEqual(fields.values(field, 0, worlds.examples), [0, 1, 2]);
    assert.deepEqual(fields.values(field, 0, worlds.english), [0]);
  },
  every_number_of_worked_examples_has_a_picture: () => {
    for (const shots of [0, 1, 2]) {
      for (const style of [0, 1]) {
        const { truth } = measure.lawOf(worlds.examples, { ...DEFAULTS, world: "examples", style, shots });
        assert.ok(truth.rows.length > 0 && truth.entropyP > 0.1 && truth.entropyS > 0.1, `${shots} ${style}`);
      }
    }
    assert.throws(() => measure.lawOf(worlds.examples, { ...DEFAULTS, world: "examples", shots: 3 }), /^RangeError: shots: 0 to 2/);
  },
  both_languages_have_every_text: () => {
    assert.deepEqual(keysOf(en).sort(), keysOf(zh).sort());
    for (const field of fields.FIELDS) {
      for (const name of field.kind === "choice" ? field.options : []) assert.notEqual(zh.option(field.key, name), name);
    }
  },
  idle_settings_have_a_reason: () => {
    const idle = Object.keys(DEFAULTS).filter((key) => fields.idle(key, DEFAULTS) !== null);
    assert.deepEqual(idle.sort(), ["annotator", "batch", "epochs", "shots"]);
    const table = { ...DEFAULTS, model: "table", keep: "everything", answers: 2, epochs: 3, targets: "sampled", world: "examples" };
    assert.deepEqual(Object.keys(table).filter((key) => fields.idle(key, table) !== null).sort(), ["decode", "rank", "steps", "style"]);
  },
  every_fault_is_one_sentence_in_both_languages: () => {
    const line = (t, bad) => {
      const { key, found, need } = hash.read(bad, DEFAULTS, "en", () => null).fault;
      return t.badHash(key, found, need);
    };
    assert.equal(line(en, "rate=fast"), "Address: “rate” has to be a number from 0.000001 to 1000, found “fast”; the first settings are shown instead.");
    assert.equal(line(en, "steps=0"), "Address: “steps” has to be a whole number from 1 to 20000, found “0”; the first settings are shown instead.");
    assert.equal(line(en, "foo=bar"), "Address: “foo” is no setting of this page; the first settings are shown instead.");
    assert.match(line(en, "model=x"), /has to be one of transformer, table, found “x”/);
    for (const bad of ["rate=fast", "steps=0", "foo=bar", "model=x", `own=${"a".repeat(20001)}`]) assert.match(line(zh, bad), /^地址有误：.*最初的设置。$/);
  },
  everything_that_can_be_wrong_is_told_in_chinese: () => {
    const lines = ["laws", "engine"].flatMap((room) => readdirSync(join(here, "..", "src", room)).flatMap((file) => {
      const source = readFileSync(join(here, "..", "src", room, file), "utf8");
      return [...source.matchAll(/`([^`\n]+: [^`\n]*(?:is|are) required[^`\n]*)`|"([a-z]+: [^"\n]* is required[^"\n]*)"/g)].map(([, text, other]) => text ?? other);
    }));
    assert.ok(lines.length >= 16, String(lines.length));
    for (const text of lines) {
      const line = text.replace("${here}", "line 7").replace(/\$\{[^}]*\}/g, "7");
      const chinese = zh.told(line);
      assert.match(chinese, /^[\u4e00-\u9fffq第].*。$/, line);
      assert.ok(!/required|found|\$\d/.test(chinese), chinese);
      assert.equal(en.told(line), line);
    }
    assert.equal(zh.told(laws.parseOwn("a | x\na | y")), "第 2 行：同一个句子只能有一种风格，现在是“y”，前面却是“x”，请改成一样。");
  },
  labels_are_moved_apart_and_stay_inside: () => {
    const placed = scale.apart([50, 52, 51, 200, 199], 17, 10, 200);
    const sorted = [...placed].sort((a, b) => a - b);
    sorted.forEach((at, i) => assert.ok(at <= 200 && (i === 0 || at - sorted[i - 1] >= 17 - 1e-9)));
    assert.deepEqual(scale.ticks(0, 100, 5), [0, 20, 40, 60, 80, 100]);
    assert.ok(scale.ticks(-3, 3, 6).every((tick) => !Object.is(tick, -0)));
  },
  numbers_never_claim_more_than_they_know: () => {
    assert.equal(format.percent(0.99999), ">99.9\u00a0%");
    assert.equal(format.percent(1), "100\u00a0%");
    assert.equal(format.percent(3e-7), "3.0 × 10⁻⁵\u00a0%");
    assert.equal(format.nats(-Infinity), "−∞");
    assert.equal(format.short(0.001), "< 0.01");
    assert.deepEqual([-5.3e-17, 5.3e-17, 2e-12].map(format.nats), ["0", "0", "2.0 × 10⁻¹²"]);
    assert.equal(format.short(-1e-17), "0");
    const h = { step: 1, total: 2, keep: "style", style: "A", keptBefore: "1", keptAfter: "2", keptControl: "3" };
    for (const t of [en, zh]) {
      assert.ok(t.headline({ ...h, counts: { before: "6.1", after: "5.2", control: "6.0" } }).includes("6.1 → 5.2"));
      assert.ok(!/null|undefined|→ 5/.test(t.headline({ ...h, counts: null })));
    }
  },
  a_guide_keeps_its_slope_inside_of_the_axis: () => {
    for (const [c, low, steps] of [[72, 1e-4, 1000], [0.5, 0.1, 100], [3, 1e-2, 1000]]) {
      const [[s, m], [u, n]] = styles.guide(c, low, steps);
      assert.ok(Math.abs(Math.log(n / m) / Math.log(u / s) + 1) < 1e-9 && s >= 1 && u <= steps && m <= 1 + 1e-9 && n >= low - 1e-12);
    }
    assert.deepEqual(styles.guide(2000, 0.1, 1000), []);
  },
  frames_begin_and_end_with_the_training: () => {
    for (const total of [1, 100, 151, 1000, 10000]) {
      const steps = runs.frameSteps(total);
      assert.equal(steps[0], 0);
      assert.equal(steps.at(-1), total);
      assert.ok(steps.length <= 151 && steps.every((s, i) => i === 0 || s > steps[i - 1]));
    }
  },
};

const results = {};
for (const [name, check] of Object.entries(checks)) {
  try {
    check();
    results[name] = "ok";
  } catch (error) {
    results[name] = String(error?.message ?? error).slice(0, 600);
  }
}
console.log(JSON.stringify(results));
