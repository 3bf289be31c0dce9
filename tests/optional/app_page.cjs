// Open the marimo app in Chromium, move a slider, and print what was seen as one line of JSON.
//
//     NODE_PATH=<folder with playwright-core> node app_page.cjs URL [SCREENSHOT]
//
// Requests to any place but the app's own server are aborted and listed: the app has to work without a network.
const { chromium } = require("playwright-core");

const MINUTES = 240_000;

async function main() {
  const [url, picture] = process.argv.slice(2);
  const executablePath = process.env.CHROMIUM || "/usr/bin/chromium";
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
  const page = await browser.newPage({ viewport: { width: 1280, height: 1100 } });
  const [errors, outside] = [[], []];
  page.on("pageerror", (error) => errors.push(String(error)));
  await page.route("**/*", (route) => {
    const to = new URL(route.request().url());
    if (to.host === new URL(url).host || ["data:", "blob:"].includes(to.protocol)) return route.continue();
    outside.push(to.host);
    return route.abort();
  });
  const number = async () => {
    const row = page.getByRole("row").filter({ hasText: "H(S), the data" });
    await row.first().waitFor({ timeout: MINUTES });
    return (await row.first().innerText()).replace(/\s+/g, " ");
  };
  let start = Date.now();
  await page.goto(url);
  const before = await number();
  const firstMs = Date.now() - start;
  const headings = await page.getByRole("heading").allInnerTexts();
  const changes = [];
  let shown = before;
  for (let turn = 0; turn < 3; turn++) {
    const slider = page.getByRole("slider").first();
    await slider.focus();
    start = Date.now();
    await page.keyboard.press("ArrowRight");
    const limit = start + MINUTES;
    let now = shown;
    while (now === shown && Date.now() < limit) {
      await page.waitForTimeout(20);
      now = await number().catch(() => shown);
    }
    changes.push(Date.now() - start);
    shown = now;
  }
  if (picture) await page.screenshot({ path: picture, fullPage: true });
  await browser.close();
  console.log(JSON.stringify({ firstMs, changes, before, after: shown, headings, errors, outside }));
}

main().catch((error) => {
  console.error(String(error).slice(0, 800));
  process.exit(1);
});
