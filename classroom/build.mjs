/**
 * Write build/classroom/classroom.html: one file with everything in it. Equal sources give equal bytes.
 *
 * The page imports "classroom:worker" (the source of the worker as a text) and "classroom:worlds" (the frozen worlds by
 * name) and "classroom:recorded" (the recorded runs). Usage: node build.mjs [--out FILE] [--entry FILE]
 */
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { strToU8, zlibSync } from "fflate";

const LARGEST = 700_000; // bytes
const here = dirname(fileURLToPath(import.meta.url));
const option = (name, otherwise) => {
  const at = process.argv.indexOf(name);
  return at < 0 ? otherwise : process.argv[at + 1];
};
const out = resolve(option("--out", join(here, "..", "build", "classroom", "classroom.html")));

/** A file that says what the page may do: no request to any network, whatever a script asks for. */
const POLICY = [
  "default-src 'none'",
  "script-src 'unsafe-inline' 'wasm-unsafe-eval' blob:",
  "worker-src blob:",
  "style-src 'unsafe-inline'",
  "img-src data: blob:",
  "connect-src 'none'",
  "base-uri 'none'",
  "form-action 'none'",
].join("; ");

/** A module of esbuild that is made of other files. */
function made(name, contents) {
  return {
    name,
    setup({ onResolve, onLoad }) {
      onResolve({ filter: new RegExp(`^classroom:${name}$`) }, () => ({ path: name, namespace: `classroom-${name}` }));
      onLoad({ filter: /.*/, namespace: `classroom-${name}` }, () => ({ contents: contents(), loader: "js", resolveDir: here }));
    },
  };
}

/** jax-js without its WebGL backend, which cannot compute gradients fast and is never chosen. */
const withoutWebGL = {
  name: "without-webgl",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /\/webgl-[\w-]+\.js$/ }, () => ({ path: "webgl", namespace: "none" }));
    onLoad({ filter: /.*/, namespace: "none" }, () => ({ contents: "export const WebGLBackend = null;", loader: "js" }));
  },
};

/** Files of a folder by name, without their extension: the JSON of each. */
function folder(name) {
  const place = join(here, name);
  const files = readdirSync(place).filter((file) => file.endsWith(".json")).sort();
  return files.map((file) => [file.slice(0, -5), JSON.parse(readFileSync(join(place, file), "utf8"))]);
}

/** The licence of a package whose code is part of the page. */
function notice(name) {
  const place = join(here, "node_modules", name);
  const { version } = JSON.parse(readFileSync(join(place, "package.json"), "utf8"));
  return `${name} ${version}\n${readFileSync(join(place, "LICENSE"), "utf8")}`;
}

const common = {
  bundle: true,
  minify: true,
  write: false,
  charset: "utf8",
  target: "es2022",
  logLevel: "warning",
  absWorkingDir: here,
  legalComments: "none",
};

async function bundled(entry, plugins) {
  const { outputFiles } = await build({ ...common, entryPoints: [entry], format: "iife", plugins });
  return outputFiles[0].text.trimEnd();
}

const worker = () => bundled("src/engine/worker.ts", [withoutWebGL]);

/** A module whose default export is a text, stored with a third of its size. fflate gives the same bytes everywhere. */
function packed(text) {
  const base64 = Buffer.from(zlibSync(strToU8(text), { level: 9 })).toString("base64");
  return `import { strFromU8, unzlibSync } from "fflate";
    export default strFromU8(unzlibSync(Uint8Array.from(atob("${base64}"), (one) => one.charCodeAt(0))));`;
}

async function page() {
  const entry = option("--entry", "src/page/main.ts");
  const source = await worker();
  return bundled(entry, [
    made("worker", () => packed(source)),
    made("worlds", () => `export default ${JSON.stringify(Object.fromEntries(folder("worlds")))};`),
    made("recorded", () => `export default ${JSON.stringify(folder("recorded").map(([, run]) => run).flat())};`),
  ]);
}

/** Put a text in the place of a comment such as <!--classroom:script-->. */
function put(html, name, text) {
  const parts = html.split(`<!--classroom:${name}-->`);
  if (parts.length !== 2) throw new Error(`src/page/index.html: one comment classroom:${name} is required, found ${parts.length - 1}`);
  return parts.join(text);
}

async function styles() {
  const { outputFiles } = await build({ ...common, entryPoints: ["src/page/page.css"] });
  return outputFiles[0].text.trimEnd();
}

let html = readFileSync(join(here, "src/page/index.html"), "utf8");
const script = (await page()).replaceAll("</script", "<\\/script").replaceAll("<!--", "<\\!--");
const policy = `<meta charset="utf-8">\n<meta http-equiv="Content-Security-Policy" content="${POLICY}">`;
html = put(html, "policy", policy);
html = put(html, "style", `<style>${await styles()}</style>`);
html = put(html, "script", `<script>${script}</script>`);
html = `${html.trimEnd()}\n<!--\n${["@jax-js/jax", "fflate"].map(notice).join("\n")}-->\n`;
const bytes = Buffer.byteLength(html);
if (bytes > LARGEST) {
  console.error(`classroom.html: at most ${LARGEST} bytes are required, found ${bytes}; shorten texts, worlds or recorded runs`);
  process.exit(1);
}
mkdirSync(dirname(out), { recursive: true });
writeFileSync(out, html);
console.log(`${out}: ${bytes} bytes`);
