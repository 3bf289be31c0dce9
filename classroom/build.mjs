/**
 * Write build/classroom/classroom.html: one file with everything in it. Equal sources give equal bytes.
 *
 * The page imports "classroom:worker" (the source of the worker as a text) and "classroom:worlds" (the frozen worlds by
 * name) and "classroom:recorded" (the recorded runs). Usage: node build.mjs [--out FILE] [--entry FILE]
 */
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
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
  const files = existsSync(place) ? readdirSync(place).filter((file) => file.endsWith(".json")).sort() : [];
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
  const own = existsSync(join(here, "src/page/main.ts")) ? "src/page/main.ts" : "src/engine/placeholder.ts";
  const entry = option("--entry", own);
  const source = await worker();
  return bundled(entry, [
    made("worker", () => packed(source)),
    made("worlds", () => `export default ${JSON.stringify(Object.fromEntries(folder("worlds")))};`),
    made("recorded", () => `export default ${JSON.stringify(folder("recorded").map(([, run]) => run).flat())};`),
  ]);
}

/** Put a text in the place of a comment such as <!--classroom:script-->, or before a closing tag. */
function put(html, name, before, text) {
  const comment = `<!--classroom:${name}-->`;
  return html.includes(comment) ? html.split(comment).join(text) : html.replace(before, () => `${text}\n${before}`);
}

async function styles() {
  const file = join(here, "src/page/page.css");
  if (!existsSync(file)) return "";
  const { outputFiles } = await build({ ...common, entryPoints: [file] });
  return outputFiles[0].text.trimEnd();
}

const MINIMAL = '<!doctype html>\n<html lang="en">\n<head>\n<title>classroom</title>\n</head>\n<body>\n</body>\n</html>\n';
const template = join(here, "src/page/index.html");
let html = existsSync(template) ? readFileSync(template, "utf8") : MINIMAL;
const script = (await page()).replaceAll("</script", "<\\/script").replaceAll("<!--", "<\\!--");
const policy = `<meta charset="utf-8">\n<meta http-equiv="Content-Security-Policy" content="${POLICY}">`;
html = html.replace(/<meta charset="[^"]*"\s*\/?>\s*/i, "");
html = html.includes("<!--classroom:policy-->") ? put(html, "policy", "", policy) : html.replace(/<head>/i, () => `<head>\n${policy}`);
html = put(html, "style", "</head>", `<style>${await styles()}</style>`);
html = put(html, "script", "</body>", `<script>${script}</script>`);
html = `${html.trimEnd()}\n<!--\n${["@jax-js/jax", "fflate"].map(notice).join("\n")}-->\n`;
const bytes = Buffer.byteLength(html);
if (bytes > LARGEST) {
  console.error(`classroom.html: at most ${LARGEST} bytes are required, found ${bytes}; shorten texts, worlds or recorded runs`);
  process.exit(1);
}
mkdirSync(dirname(out), { recursive: true });
writeFileSync(out, html);
console.log(`${out}: ${bytes} bytes`);
