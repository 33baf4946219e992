// Drives the operator's page as a person would: every page in light, dark, narrow, with reduced motion and without
// JavaScript, on a running `dwell`, with no network but that one address. Two people who sign in are in people.mjs,
// what an operator comes for is in tasks.mjs.
//
//   node tests/browser/run.mjs [--pictures FOLDER]
//
// Needs `npm ci` in this folder, Debian's chromium (CHROMIUM names another one), redis-server and target/release/dwell
// (DWELL names another one). Exits 0 if everything holds, 1 and what does not if not. With --pictures it makes the pictures of
// the documentation instead.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { Dwell, startRedis } from "./dwell.mjs";
import { peopleTests, startWithPeople } from "./people.mjs";
import { takePictures } from "./pictures.mjs";
import { startWithVehicles, taskTests } from "./tasks.mjs";

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");
const AXE = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
const CHROMIUM_FLAGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];
/** Drawn by a script; where that does not run there is only a link. */
const API_DOCS = "/api/docs/";
const VARIANTS = {
  light: { colorScheme: "light", viewport: { width: 1280, height: 860 } },
  dark: { colorScheme: "dark", viewport: { width: 1280, height: 860 } },
  narrow: { colorScheme: "light", viewport: { width: 320, height: 720 } },
  "narrow and dark": { colorScheme: "dark", viewport: { width: 320, height: 720 } },
  "reduced motion": { reducedMotion: "reduce", viewport: { width: 1280, height: 860 } },
  "without JavaScript": { javaScriptEnabled: false, viewport: { width: 1280, height: 860 } },
};

/** A page that reaches `origin` and nothing else, and a list of what went wrong on it. */
async function open(browser, origin, options) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const faults = [];
  await page.route("**/*", (route) => {
    if (new URL(route.request().url()).origin === origin) return route.continue();
    faults.push(`asked for ${route.request().url()}`);
    return route.abort();
  });
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) faults.push(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => faults.push(`script: ${error.message}`));
  return { page, faults, close: () => context.close() };
}

async function isAccessible(page, what) {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate((tags) => axe.run(document, { runOnly: tags }), AXE_TAGS);
  const told = violations.map(({ id, help, nodes }) => `${id}: ${help}\n    ${nodes.map((node) => node.html).join("\n    ")}`);
  assert.deepEqual(told, [], `${what} is not accessible:\n  ${told.join("\n  ")}`);
}

/** The addresses of all pages, with something to see on each. */
async function addresses(origin) {
  const newest = async (query) => (await (await fetch(`${origin}/api/v1/sessions?limit=1&${query}`)).json()).sessions[0];
  const matched = await newest("state=matched");
  const lot = `lot_id=${matched.lot_id}`;
  const from = new Date(Date.parse(matched.exit_date_time) - 600_000).toISOString();
  const unmatched = await newest("state=unmatched_exit,unmatched_entry,held_exit");
  assert(unmatched, "the simulator made nothing that is unmatched");
  return [
    "/", "/timeline", `/timeline?${lot}&span=1h`, `/timeline?${lot}&from=${from}&to=${matched.exit_date_time}`,
    "/stays", `/stays?${lot}&period=7d`, `/timeline?${lot}&period=today`, `/list?${lot}&period=today&period_of=exits`, "/unmatched", `/unmatched?${lot}`, "/list", `/list?${lot}&state=open`, "/list?state=matched&last_day=true", "/lookup", "/search",
    `/sessions/${matched.session_id}`, `/sessions/${unmatched.session_id}`,
    "/graphql", API_DOCS,
  ];
}

const tests = {
  async "every page, in every form, is whole, quiet and accessible"({ browser, origin }) {
    const pages = await addresses(origin);
    for (const [variant, options] of Object.entries(VARIANTS)) {
      const { page, faults, close } = await open(browser, origin, options);
      for (const address of [...pages, "/nowhere"]) {
        const what = `${address} (${variant})`;
        const answer = await page.goto(origin + address);
        assert.equal(answer.status(), address === "/nowhere" ? 404 : 200, what);
        const isScripted = options.javaScriptEnabled !== false;
        if (isScripted && address === API_DOCS) await page.click(".opblock-summary-control >> nth=0");
        assert.equal(await page.locator("h1").count(), 1, what);
        // Without scripts nothing can be asked of the page from within; its markup is the same.
        if (!isScripted) continue;
        const width = await page.evaluate(() => document.documentElement.scrollWidth);
        assert(width <= options.viewport.width, `${what} is ${width} px wide`);
        await isAccessible(page, what);
      }
      // The browser itself says so of the page that is not there.
      assert.deepEqual(faults.filter((fault) => !fault.includes("status of 404")), [], variant);
      await close();
    }
  },

  async "the keyboard reaches everything in the order of the page"({ browser, origin }) {
    const { page, close } = await open(browser, origin, VARIANTS.light);
    await page.goto(`${origin}/`);
    const reached = [];
    for (let presses = 0; presses < 10; presses++) {
      await page.keyboard.press("Tab");
      reached.push(await page.evaluate(() => document.activeElement.textContent.trim() || document.activeElement.id));
    }
    assert.deepEqual(reached.slice(0, 9), ["Skip to the content", "Dwell", "Now", "Timeline", "Stays", "Unmatched", "At the exit", "plate", "Find"]);
    await page.goto(`${origin}/`);
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    assert.equal(await page.evaluate(() => document.activeElement.id), "main");
    await close();
  },

  async "a plate is found from any page"({ browser, origin }) {
    const { page, close } = await open(browser, origin, VARIANTS.light);
    const [{ vehicle_plate: plate }] = (await (await fetch(`${origin}/api/v1/sessions?limit=1`)).json()).sessions;
    await page.goto(`${origin}/unmatched`);
    await page.fill("#plate", plate.toLowerCase());
    await page.keyboard.press("Enter");
    await page.click(`table a.plate >> nth=0`);
    assert.match(await page.textContent("h1"), new RegExp(plate));
    await close();
  },

  async "a misread plate is looked up at the exit with the keyboard alone"({ browser, origin }) {
    const { page, close } = await open(browser, origin, VARIANTS.dark);
    const [{ vehicle_plate: plate, lot_id: lot }] = (await (await fetch(`${origin}/api/v1/sessions?limit=1&state=open`)).json()).sessions;
    await page.goto(`${origin}/lookup?lot_id=${lot}`);
    await page.keyboard.type(plate.slice(0, -1).toLowerCase());
    await page.keyboard.press("Enter");
    await page.waitForSelector("#found table");
    assert((await page.locator("#found tbody th").allTextContents()).some((text) => text.trim() === plate), "the entry is among the likely ones");
    assert.equal(await page.locator("#found mark").first().isVisible(), true);
    assert(!page.url().includes(plate.slice(0, 3)), "no plate is in the address");
    await isAccessible(page, "a look-up");
    await close();
  },

  async "a page keeps itself up to date without losing the place of its reader"({ browser, origin }) {
    const { page, close } = await open(browser, origin, VARIANTS.light);
    await page.goto(`${origin}/timeline`);
    await page.click("#as-table summary");
    await page.focus("select[name=lot_id]");
    const before = await page.innerHTML("svg.timeline:not(.axis)");
    // At a quiet hour of the simulated lots nothing but the time may change.
    await page.waitForFunction((old) => document.querySelector("svg.timeline:not(.axis)").innerHTML !== old, before, { timeout: 90_000 });
    assert.equal(await page.evaluate(() => document.activeElement.name), "lot_id");
    assert.equal(await page.getAttribute("#as-table", "open"), "");

    await page.click("#live-pause");
    assert.equal(await page.textContent("#live-mode"), "Paused");
    const paused = await page.innerHTML("main");
    await page.waitForTimeout(2_500);
    assert.equal(await page.innerHTML("main"), paused);
    await close();
  },

  async "a page that can't change is not asked for again, and an error is not said to be old"({ browser, origin }) {
    const [{ lot_id: lot }] = (await (await fetch(`${origin}/api/v1/sessions?limit=1`)).json()).sessions;
    for (const address of ["/timeline?span=zzz", `/timeline?lot_id=${lot}&date=2024-01-01`]) {
      const { page, close } = await open(browser, origin, VARIANTS.light);
      const asked = [];
      page.on("request", (request) => asked.push(new URL(request.url()).pathname));
      await page.goto(origin + address);
      asked.length = 0;
      await page.waitForRequest(`${origin}/header`);
      await page.waitForRequest(`${origin}/header`);
      assert(!asked.includes("/timeline"), address);
      assert.equal(await page.textContent("#live-mode"), "Not refreshed", address);
      await close();
    }
  },

  async "on a narrow screen the timeline begins with now, and no reason is out of sight"({ browser, origin }) {
    for (const options of [VARIANTS.narrow, { ...VARIANTS.narrow, javaScriptEnabled: false }]) {
      const { page, close } = await open(browser, origin, options);
      await page.goto(`${origin}/timeline`);
      const right = async (what) => {
        const box = await page.locator(what).boundingBox();
        return box.x + box.width;
      };
      assert((await right("svg.timeline:not(.axis)")) <= 320, "the newest end is in sight");
      await page.goto(`${origin}/unmatched`);
      assert((await right("td.why >> nth=0")) <= 320, "the reason is in sight");
      await close();
    }
  },

  async "a mark stands on its moment"({ browser, origin }) {
    const { page, close } = await open(browser, origin, VARIANTS.light);
    await page.goto(`${origin}/timeline?span=1d`);
    const off = await page.evaluate(() => {
      const whole = document.querySelector("svg.timeline:not(.axis)").getBoundingClientRect();
      return [...document.querySelectorAll("svg.timeline a > g > svg")].map((mark) => {
        const path = mark.querySelector("path").getBoundingClientRect();
        return path.x + path.width / 2 - whole.x - (parseFloat(mark.getAttribute("x")) / 100) * whole.width;
      });
    });
    assert(off.length > 0, "something is unmatched");
    assert(off.every((pixels) => Math.abs(pixels) < 1), `marks are off by ${off} px`);
    await close();
  },

  async "the theme that is chosen stays chosen"({ browser, origin }) {
    const { page, close } = await open(browser, origin, VARIANTS.light);
    const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    await page.goto(`${origin}/`);
    const light = await ground();
    await page.click("#theme");
    await page.click("#theme");
    assert.equal(await page.textContent("#theme"), "Theme: dark");
    const dark = await ground();
    assert.notEqual(dark, light);
    await page.goto(`${origin}/unmatched`);
    assert.equal(await ground(), dark);
    await close();
  },

  async "a dependency that has gone is said within three seconds, in words"({ browser, origin, redis }) {
    if (!redis) return "skipped: there is no redis-server";
    const { page, close } = await open(browser, origin, VARIANTS.light);
    await page.goto(`${origin}/unmatched`);
    await page.waitForSelector("#health >> text=All dependencies up");
    redis.stop();
    await page.waitForSelector("#health >> text=Degraded: redis", { timeout: 3_000 });
    await close();
  },

  async "a server that has gone is said within three seconds"({ browser, origin, dwell }) {
    const { page, close } = await open(browser, origin, VARIANTS.light);
    await page.goto(`${origin}/`);
    await dwell.stop();
    await page.waitForSelector('#live[data-mode="lost"]', { timeout: 3_000 });
    assert.match(await page.textContent("#latest"), /matched/);
    await close();
  },
};

async function firstMatch(browser, dwell) {
  const { page, close } = await open(browser, dwell.origin, VARIANTS.light);
  const begun = performance.now();
  await dwell.start();
  await page.goto(`${dwell.origin}/`);
  await page.waitForSelector("#latest tbody tr", { timeout: 20_000 });
  const seconds = (performance.now() - begun) / 1_000;
  await close();
  assert(seconds < 5, `the first match was visible after ${seconds.toFixed(1)} s`);
  return seconds;
}

// A browser that hangs must not hang the tests.
setTimeout(() => {
  console.log("FAILED  not done after five minutes");
  dwell.process?.kill("SIGKILL");
  people?.dwell.process?.kill("SIGKILL");
  tasks?.dwell.process?.kill("SIGKILL");
  redis?.stop();
  process.exit(1);
}, 300_000).unref();

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: CHROMIUM_FLAGS,
});
const redis = await startRedis();
const dwell = await Dwell.on(process.env.DWELL ?? path.join(ROOT, "target/release/dwell"), {
  DWELL_SEED: "7", DWELL_LOST_ENTRY_SHARE: "0.02", DWELL_LOST_EXIT_SHARE: "0.02",
  ...(redis ? { DWELL_REDIS_URL: redis.url } : {}),
});
let failed = 0;
let people;
let tasks;
try {
  const only = process.argv.indexOf("--pictures");
  if (only > 0) {
    await takePictures(browser, path.resolve(process.argv[only + 1]), dwell.binary);
  } else {
    console.log(`ok  the first match is visible within five seconds (${(await firstMatch(browser, dwell)).toFixed(1)} s)`);
    people = await startWithPeople(dwell.binary);
    tasks = await startWithVehicles(dwell.binary);
    for (const [name, test] of Object.entries({ ...peopleTests, ...taskTests, ...tests })) {
      try {
        const note = await test({ browser, origin: dwell.origin, dwell, redis, people, tasks, isAccessible });
        console.log(`ok  ${name}${note ? ` (${note})` : ""}`);
      } catch (error) {
        failed += 1;
        console.log(`FAILED  ${name}\n${error.message}`);
      }
    }
  }
} finally {
  await browser.close();
  await dwell.stop();
  await people?.stop();
  await tasks?.stop();
  redis?.stop();
}
process.exitCode = failed ? 1 : 0;
