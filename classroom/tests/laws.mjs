/**
 * Call functions of src/laws and of the table engine in node: the Python tests compare the results with other oracles.
 *
 * Every line of the standard input is a JSON list [name, arguments...], and it is answered by a line with the JSON of the
 * result. NaN and infinite numbers are texts. Names of worlds, such as "@english", stand for the frozen ones.
 */
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");

/** What is tested, in one module. */
const source = `
  export * from "./src/laws";
  export { weights } from "./src/laws/targets";
  export { Table } from "./src/engine/table";
  export { layoutOf, targetsOf } from "./src/engine/layout";
  export { factors, fresh, shapesOf, stored } from "./src/engine/parameters";
  export { scheduled } from "./src/engine/trainer";
  export { DEFAULTS } from "./src/contract";
`;

/** A module of TypeScript sources. */
async function loaded(contents) {
  const given = { stdin: { contents, resolveDir: root, loader: "ts" }, bundle: true, write: false };
  const { outputFiles } = await build({ ...given, format: "esm", target: "es2022", platform: "node" });
  return import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].text).toString("base64")}`);
}

const m = await loaded(source);

const world = (one) => (typeof one === "string" && one.startsWith("@") ? JSON.parse(readFileSync(join(root, "worlds", `${one.slice(1)}.json`), "utf8")) : one);
const law = (list) => Float64Array.from(list, Number); // "-Infinity" is a text in JSON

/** A training of the table: the laws at some steps. */
async function trained(one, settings, steps) {
  const [place, all] = [world(one), { ...m.DEFAULTS, ...settings }];
  const table = new m.Table(place, all);
  const found = [];
  const weights = m.weights(m.target(place, all), place, all, m.uniform(all.seed));
  for (let step = 0; step <= Math.max(...steps); step++) {
    if (steps.includes(step)) found.push(table.law());
    table.prepare(weights, m.scheduled(all, step, all.steps));
    await table.commit();
  }
  return found;
}

let compiled = 0; // WASM modules
const { compile, Module } = WebAssembly;
WebAssembly.compile = (bytes) => {
  compiled += 1;
  return compile(bytes);
};
WebAssembly.Module = new Proxy(Module, {
  construct(target, given) {
    compiled += 1;
    return new target(...given);
  },
});

/** Trainings of the transformer on WASM: the laws before and after some steps, and how many modules each compiled. */
async function transformed(one, trainings, steps) {
  const engine = await loaded(`
    export { begun, chooseDevice } from "./src/engine/device";
  `);
  const chosen = await engine.chooseDevice();
  const found = [];
  for (const settings of trainings) {
    const [place, all, before] = [world(one), { ...m.DEFAULTS, ...settings }, compiled];
    const { trainer } = await engine.begun(place, all, chosen);
    const weights = m.weights(m.target(place, all), place, all, m.uniform(all.seed));
    const laws = [];
    for (let step = 0; step <= steps; step++) {
      const { law } = trainer.prepare(weights, all.rate);
      if (step === 0 || step === steps) laws.push((await law()).logQ);
      await trainer.commit();
    }
    trainer.dispose();
    found.push({ laws, compiled: compiled - before });
  }
  return { chosen, found };
}

const calls = {
  target: (one, settings) => m.target(world(one), { ...m.DEFAULTS, ...settings }),
  control: (one, settings) => m.controlTarget(world(one), { ...m.DEFAULTS, ...settings }),
  view: (one, only) => m.viewOf(world(one), only),
  entropy: (one, logQ) => m.entropy(m.viewOf(world(one)), law(logQ)),
  kl: (one, logA, logB) => m.kl(m.viewOf(world(one)), law(logA), law(logB)),
  gateErasure: (one, kept, logQ) => m.gateErasure(m.viewOf(world(one)), kept, law(logQ)),
  styleMass: (one, logQ) => m.styleMass(m.viewOf(world(one)), law(logQ)),
  outside: (one, logQ) => m.likelyOutside(m.viewOf(world(one)), law(logQ)),
  answers: (one, prompt, logQ, count, seed) => m.answers(m.viewOf(world(one)), prompt, law(logQ), count, seed),
  decoded: (one, logits, temperature) => m.decoded(world(one), logits.map(Number), temperature),
  trie: (one) => m.trieOf(world(one).strings),
  halves: (text) => m.halves(text),
  parseOwn: (text) => m.parseOwn(text),
  steps: (one, settings) => m.stepsOf(world(one), { ...m.DEFAULTS, ...settings }),
  weights: (one, settings, seed) => {
    const all = { ...m.DEFAULTS, ...settings };
    return m.weights(m.target(world(one), all), world(one), all, m.uniform(seed));
  },
  scheduled: (settings, steps) => Array.from({ length: steps }, (_, i) => m.scheduled({ ...m.DEFAULTS, ...settings }, i, steps)),
  trained,
  transformed,
  stored: (one) => m.stored(world(one)),
  factors: (one, rank, seed) => m.factors(m.shapesOf(world(one)), rank, seed).values,
  layout: (one) => m.layoutOf(world(one)),
  passed: (one, weights, onDocument) => m.targetsOf(world(one), m.layoutOf(world(one)), law(weights), onDocument),
};

const plain = (_, value) => {
  if (ArrayBuffer.isView(value)) return Array.from(value);
  return typeof value === "number" && !Number.isFinite(value) ? String(value) : value;
};

for await (const line of createInterface({ input: process.stdin })) {
  const [name, ...args] = JSON.parse(line);
  let answer;
  try {
    answer = await calls[name](...args);
  } catch (error) {
    answer = { error: error.message };
  }
  process.stdout.write(`${JSON.stringify(answer, plain)}\n`);
}
