// node check.mjs CHROMIUM PAGE OUT_DIR [shots]: opens a page with the network blocked and says what went wrong, as JSON.
// With "shots" it also writes screenshots at 1440 and 390 pixels, light and dark, and the PDF.
import { readFileSync, mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import puppeteer from "puppeteer-core";

const [chromium, page_path, out, shots] = process.argv.slice(2);
mkdirSync(out, { recursive: true });
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf-8");
const browser = await puppeteer.launch({
  executablePath: chromium, headless: true,
  args: ["--no-sandbox", "--enable-unsafe-swiftshader", "--use-gl=angle", "--use-angle=swiftshader", "--host-resolver-rules=MAP * ~NOTFOUND", "--disable-background-networking"],
});
const result = { failed_requests: [], network_requests: [], console_errors: [], page_errors: [] };

// CPU seconds of all processes of the browser: what a time means where other work runs on the machine.
const system = await browser.target().createCDPSession();
const cpu_s = async () => (await system.send("SystemInfo.getProcessInfo")).processInfo.reduce((sum, one) => sum + one.cpuTime, 0);

async function open(width, height, scheme) {
  const page = await browser.newPage();
  await page.setViewport({ width, height });
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
  page.on("requestfailed", (request) => result.failed_requests.push(request.url().slice(0, 200)));
  page.on("request", (request) => { if (/^(https?|wss?):/.test(request.url())) result.network_requests.push(request.url().slice(0, 200)); });
  page.on("console", (message) => { if (message.type() === "error") result.console_errors.push(message.text().slice(0, 400)); });
  page.on("pageerror", (error) => result.page_errors.push(String(error).slice(0, 400)));
  await page.goto(pathToFileURL(page_path).href, { waitUntil: "load" });
  return page;
}

await (await open(1440, 900, "light")).close(); // a browser that has just started is slow
const before_s = await cpu_s();
const page = await open(1440, 900, "light");
for (let n = 0; n < 500 && !(await page.evaluate(() => performance.getEntriesByName("first-contentful-paint").length)); n += 1) await new Promise((done) => setTimeout(done, 20));
result.cpu_until_first_paint_s = Number((await cpu_s() - before_s).toFixed(2)); // and until the page has loaded
result.title = await page.title();
result.first_paint_ms = await page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? null);
result.load_ms = await page.evaluate(() => performance.getEntriesByType("navigation")[0].loadEventEnd);
result.overflow_px = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);

// The page's own scripts: slices, flicker, viewer, sorting.
const has = (selector) => page.$(selector).then(Boolean);
if (await has(".inspect canvas")) {
  result.inspector = await page.evaluate(async () => {
    const cells = [...document.querySelectorAll("button.cell")], cell = cells[Math.floor(cells.length / 3)];
    cell.focus(); cell.click();
    for (let n = 0; n < 40 && document.querySelector(".inspect canvas").width < 20; n += 1) await new Promise((done) => setTimeout(done, 100));
    return { title: document.querySelector(".chosen").textContent, cell: cell.getAttribute("aria-label"), width: document.querySelector(".inspect canvas").width };
  });
  await page.keyboard.press("ArrowRight");
  result.inspector.after_arrow = await page.evaluate(() => document.querySelector(".chosen").textContent);
}
if (await has(".flicker button")) {
  await page.evaluate(() => document.querySelector(".flicker button").click());
  result.flicker = await page.evaluate(() => document.querySelector(".flicker .state").textContent);
  await page.evaluate(() => document.querySelector(".flicker button").click());
}
if (await has(".viewer")) {
  await page.evaluate(() => document.querySelector(".viewer").scrollIntoView());
  for (let n = 0; n < 150; n += 1) {
    const done = await page.evaluate(() => { const block = document.querySelector(".viewer"); return block.dataset.ready === "true" || block.querySelector(".why").textContent; });
    if (done) break;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  await new Promise((resolve) => setTimeout(resolve, 1500));
  result.viewer = await page.evaluate(() => { const block = document.querySelector(".viewer"); return { ready: block.dataset.ready === "true", why: block.querySelector(".why").textContent, value: block.querySelector("output").textContent }; });
  if (shots) await (await page.$(".viewer")).screenshot({ path: `${out}/viewer.png` });
}
if (await has("table.sortable")) {
  result.sorted = await page.evaluate(() => {
    const table = document.querySelector("table.sortable"), heads = [...table.querySelectorAll("thead th")];
    const at = heads.length - 1, read = () => [...table.tBodies[0].rows].map((row) => row.cells[at].dataset.value);
    heads[at].querySelector("button").click(); const up = read();
    heads[at].querySelector("button").click(); const down = read();
    return { up, down, state: heads[at].getAttribute("aria-sort") };
  });
}

result.axe = [];
for (const scheme of ["light", "dark"]) {
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
  await page.evaluate(() => { window.scrollTo(0, 0); for (const block of document.querySelectorAll("details")) block.open = true; });
  await page.evaluate(axe);
  const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  result.axe.push(...found.violations.map((v) => ({ scheme, id: v.id, impact: v.impact, nodes: v.nodes.length, first: v.nodes[0].html.slice(0, 160), why: v.nodes[0].failureSummary.slice(0, 300) })));
}

if (shots) {
  await page.close();
  for (const [width, height, scheme] of [[1440, 900, "light"], [1440, 900, "dark"], [390, 844, "light"]]) {
    const shot = await open(width, height, scheme);
    await shot.evaluate(() => { for (const image of document.images) image.loading = "eager"; return Promise.all([...document.images].map((image) => image.decode().catch(() => null))); });
    await shot.screenshot({ path: `${out}/first-${width}-${scheme}.png` });
    for (const section of await shot.$$("main > section")) {
      const name = await section.evaluate((element) => element.id);
      await section.screenshot({ path: `${out}/${name}-${width}-${scheme}.png` });
    }
    result[`overflow_${width}_px`] = await shot.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    await shot.close();
  }
  const paper = await open(1100, 900, "light");
  await paper.evaluate(() => { for (const image of document.images) image.loading = "eager"; return Promise.all([...document.images].map((image) => image.decode().catch(() => null))); });
  await paper.pdf({ path: `${out}/page.pdf`, preferCSSPageSize: true, printBackground: false });
}
await browser.close();
console.log(JSON.stringify(result, null, 1));
