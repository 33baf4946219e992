// What an operator comes for, as a person does it, with the number of clicks. Typing and pressing Enter is no click.
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { Dwell } from "./dwell.mjs";

const HOUR_MS = 3_600_000;
const WEEK_MS = 7 * 24 * HOUR_MS;
const LOTS = `
[[lot]]
id = "P6"
kind = "market"
capacity = 100
time_zone = "Europe/Berlin"
permitted_stay = "2h"

[[lot]]
id = "P7"
kind = "market"
`;
/** Vehicles at P6: whose stay is permitted, and who overstays. */
const OVERSTAYS = ["KAB1234", "LAX77", "MUC4711"];

/** A `dwell` without simulated gates, with vehicles of now and of a week ago. */
export async function startWithVehicles(binary) {
  const folder = await mkdtemp(path.join(tmpdir(), "dwell-tasks-"));
  const lots = path.join(folder, "lots.toml");
  await writeFile(lots, LOTS);
  const dwell = await Dwell.on(binary, { DWELL_ARRIVALS: "0", DWELL_LOTS: lots });
  await dwell.start();
  const now = Date.now();
  const at = (hoursAgo) => new Date(now - hoursAgo * HOUR_MS).toISOString();
  const events = [];
  const entry = (plate, hoursAgo, lot = "P6") =>
    events.push({ id: crypto.randomUUID(), vehicle_plate: plate, lot_id: lot, gate_id: `${lot}-in-1`, entry_date_time: at(hoursAgo) });
  const exit = (plate, hoursAgo, lot = "P6") =>
    events.push({ id: crypto.randomUUID(), vehicle_plate: plate, lot_id: lot, gate_id: `${lot}-out-1`, exit_date_time: at(hoursAgo) });
  // Nine days ago, so that the week before is known; and a week ago, five minutes around this time.
  entry("FIRST1", 9 * 24);
  exit("FIRST1", 9 * 24 - 1);
  for (let number = 0; number < 7; number++) {
    entry(`OLD${number}`, 7 * 24 + 0.05 * (number + 1));
    exit(`OLD${number}`, 7 * 24 + 0.05 * (number + 1) - 0.04);
  }
  OVERSTAYS.forEach((plate, number) => entry(plate, 3 + number));
  entry("FRESH1", 0.5);
  entry("OTHER1", 30, "P7");
  entry("NEWEST1", 0.01);
  events.sort((one, other) => Date.parse(one.entry_date_time ?? one.exit_date_time) - Date.parse(other.entry_date_time ?? other.exit_date_time));
  await send(dwell.origin, events);
  await waitFor(async () => (await ask(dwell.origin, "sessions?limit=100")).sessions.length >= 8 + OVERSTAYS.length + 3);
  const stop = async () => {
    await dwell.stop();
    await rm(folder, { recursive: true, force: true });
  };
  return { dwell, now, stop };
}

async function send(origin, events) {
  const answer = await fetch(`${origin}/api/v1/events`, {
    method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(events),
  });
  assert(answer.ok, `${answer.status} ${await answer.text()}`);
}

const ask = async (origin, what) => (await fetch(`${origin}/api/v1/${what}`)).json();

async function waitFor(holds) {
  for (let tries = 0; tries < 600; tries++) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.fail("it did not happen within a minute");
}

/** A page that counts clicks. */
async function person(browser, origin, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 860 }, ...options });
  const page = await context.newPage();
  let clicks = 0;
  const click = async (what) => {
    clicks += 1;
    await page.click(what);
  };
  await page.goto(`${origin}/`);
  return { page, click, clicks: () => clicks, close: () => context.close() };
}

/** Every address that a person has been at. */
function addresses(page) {
  const been = [];
  page.on("framenavigated", (frame) => been.push(frame.url()));
  page.on("request", (request) => been.push(request.url()));
  return been;
}

/** What breaks the layout of a page: something wider than the page, a table that is cut without a sign, a value that wraps
or is wider than its place, a word on a column. */
function broken() {
  const faults = [];
  const named = (element) => `${element.nodeName} ${element.id || element.className.baseVal || element.className} "${element.textContent.trim().slice(0, 40)}"`;
  if (document.documentElement.scrollWidth > innerWidth) faults.push(`the page is ${document.documentElement.scrollWidth} px wide`);
  for (const box of document.querySelectorAll(".scroll")) {
    const isCut = box.scrollWidth > box.clientWidth;
    if (isCut && !getComputedStyle(box).backgroundImage.includes("radial-gradient")) faults.push(`cut without a sign: ${named(box)}`);
    if (isCut && box.tabIndex < 0) faults.push(`out of reach of the keyboard: ${named(box)}`);
  }
  for (const table of document.querySelectorAll("table")) {
    if (!table.closest(".scroll") && table.scrollWidth > table.parentElement.clientWidth) faults.push(`cut: ${named(table)}`);
  }
  const lines = (element) => {
    const range = document.createRange();
    range.selectNodeContents(element);
    return new Set([...range.getClientRects()].filter((rect) => rect.width > 1).map((rect) => Math.round(rect.bottom / 8))).size;
  };
  for (const value of document.querySelectorAll(".figure .value, td.number")) {
    if (value.getClientRects().length === 0 || value.textContent.trim() === "") continue;
    if (getComputedStyle(value).whiteSpace !== "nowrap" && lines(value) > 1) faults.push(`wrapped: ${named(value)}`);
    if (value.scrollWidth > value.clientWidth + 1) faults.push(`wider than its place: ${named(value)}`);
  }
  for (const plot of document.querySelectorAll(".bars .plot")) {
    const columns = [...plot.querySelectorAll("rect.column")].map((one) => one.getBoundingClientRect()).filter((one) => one.height > 0);
    for (const word of plot.querySelectorAll("text")) {
      const place = word.getBoundingClientRect();
      const isOn = columns.some((one) => place.left < one.right && place.right > one.left && place.top < one.bottom && place.bottom > one.top);
      if (isOn) faults.push(`on a column: ${named(word)}`);
    }
  }
  return faults;
}

export const taskTests = {
  async "the layout holds at every width"({ browser, tasks: { dwell: { origin } }, origin: simulated }) {
    const matched = (await ask(origin, "sessions?state=matched&limit=1")).sessions[0];
    const pages = [
      [origin, ["/", "/timeline?lot_id=P6&period=today", "/stays?lot_id=P6&period=28d", "/unmatched", "/list?lot_id=P6", "/search", `/sessions/${matched.session_id}`]],
      [simulated, ["/", "/timeline?period=7d", "/stays?period=today", "/stays?period=7d", "/list?state=matched&period=today&period_of=exits", "/unmatched"]],
    ];
    for (const width of [390, 768, 1280, 1920]) {
      for (const colorScheme of ["light", "dark"]) {
        const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme });
        const page = await context.newPage();
        for (const [site, places] of pages) {
          for (const place of places) {
            await page.goto(site + place);
            assert.deepEqual(await page.evaluate(broken), [], `${place} at ${width} px, ${colorScheme}`);
          }
        }
        await context.close();
      }
    }
  },

  async "find who overstays at P6 and export it"({ browser, tasks: { dwell: { origin } } }) {
    const { page, click, clicks, close } = await person(browser, origin);
    await click('tr[data-key="P6"] a.count[href*="overstay=true"]');
    await page.waitForSelector("h1 >> text=Overstays, P6");
    const plates = await page.locator("main table a.plate").allTextContents();
    assert.deepEqual(plates.toSorted(), OVERSTAYS);
    const [download] = await Promise.all([page.waitForEvent("download"), click("text=Export as CSV")]);
    const rows = (await readFile(await download.path(), "utf8")).trim().split("\n");
    assert.equal(rows.length, 1 + OVERSTAYS.length);
    assert(rows[0].endsWith("entry_gate_id,exit_gate_id,stay_seconds,permitted_stay_seconds,mark"), rows[0]);
    assert(rows.slice(1).every((row) => /,P6-in-1,,\d+(\.\d+)?,7200,overstay$/.test(row)), rows.join("\n"));
    assert.equal(clicks(), 2);
    await close();
  },

  async "find a driver by half a plate"({ browser, tasks: { dwell: { origin } } }) {
    const { page, click, clicks, close } = await person(browser, origin);
    const been = addresses(page);
    await page.fill("#plate", "c47");
    await page.press("#plate", "Enter");
    await page.waitForSelector("caption >> text=Plates that contain it");
    await click('main table a.plate >> text=MUC4711');
    await page.waitForSelector("h1 >> text=MUC4711 at P6");
    assert.match(page.url(), /\/sessions\/[0-9a-f-]{36}$/);
    assert.deepEqual(been.filter((address) => /c47|MUC/i.test(address)), [], "no address has a plate");
    assert.equal(clicks(), 1);
    await close();
  },

  async "a misread plate is offered as a similar one"({ browser, tasks: { dwell: { origin } } }) {
    const { page, close } = await person(browser, origin);
    await page.fill("#plate", "MUC47I1");
    await page.press("#plate", "Enter");
    await page.waitForSelector("caption >> text=Similar plates, not equal");
    assert.match(await page.textContent("main"), /No stay of a plate with these characters.*MUC4711/s);
    await page.goto(`${origin}/search?plate=MUC4711`);
    assert.equal(page.url(), `${origin}/search`, "an old address leads to the empty form");
    await close();
  },

  async "compare today with the same weekday last week"({ browser, tasks: { dwell: { origin } } }) {
    const { page, click, clicks, close } = await person(browser, origin);
    await click("nav >> text=Stays");
    const { total, before } = await ask(origin, "statistics?lot_id=P6&period=today");
    const figure = async (name) => ({
      value: Number(await page.textContent(`#figure-${name} .value`)),
      before: Number(await page.textContent(`#figure-${name} .value-before`)),
    });
    // Close to midnight in Berlin some of them are of the day before.
    assert.deepEqual(await figure("entries"), { value: total.entries, before: before.entries });
    assert.deepEqual(await figure("exits"), { value: total.exits, before: before.exits });
    assert.equal(clicks(), 1);
    const { lots } = await ask(origin, "lots");
    assert.equal(lots.find((lot) => lot.id === "P6").entries_today, total.entries);
    await click("#figure-entries a");
    const rows = await page.locator("main tbody tr").count();
    assert.equal(rows, total.entries, "the list behind the number has as many");
    assert.match(page.url(), /period=today/);
    await close();
  },

  async "any period is chosen, is in the address, and has a neighbour before and after it"({ browser, tasks: { dwell: { origin }, now } }) {
    const { page, click, close } = await person(browser, origin);
    const day = (ago) => new Date(now - ago * 24 * HOUR_MS).toLocaleDateString("sv", { timeZone: "Europe/Berlin" });
    for (const place of ["/stays?lot_id=P6", "/list?lot_id=P6", "/timeline?lot_id=P6"]) {
      await page.goto(origin + place);
      await click("nav[aria-label=Period] >> text=7 days");
      assert.match(page.url(), /period=7d/);
      assert.equal(await page.getAttribute("nav[aria-label=Period] .button[aria-current] >> text=7 days", "aria-current"), "true");
      await click("nav[aria-label=Period] >> text=← Previous");
      assert.match(page.url(), new RegExp(`from_date=${day(13)}&to_date=${day(7)}`), place);
      await click("nav[aria-label=Period] >> text=Next →");
      assert.match(page.url(), new RegExp(`from_date=${day(6)}&to_date=${day(0)}`), place);
      await page.fill("input[name=from_date]", day(9));
      await page.fill("input[name=to_date]", day(9));
      await page.click("form.choices button >> text=Show");
      assert.match(page.url(), new RegExp(`from_date=${day(9)}&to_date=${day(9)}`), place);
      assert.equal(await page.locator("#period").count(), 1, place);
    }
    await close();
  },

  async "on a phone a tap on a bar shows its plate, and targets have 24 px"({ browser, tasks: { dwell: { origin } } }) {
    const { page, close } = await person(browser, origin, { viewport: { width: 390, height: 844 }, hasTouch: true });
    await page.goto(`${origin}/timeline?lot_id=P6&lot_id=P7&span=6h`);
    assert.equal(await page.locator("main figure").count(), 2);
    const targets = await page.locator("svg.timeline .target").evaluateAll((all) => all.map((one) => one.getBoundingClientRect()));
    assert(targets.length > 0 && targets.every(({ width, height }) => width >= 24 && height >= 24), JSON.stringify(targets));
    assert.deepEqual(await page.locator('svg.timeline a.overstay:not(.doubtful) .flag').allTextContents(), ["!", "!", "!"]);
    await page.locator('svg.timeline a:has-text("NEWEST1") .target').tap();
    assert.match(await page.textContent("#tapped"), /^NEWEST1: open/);
    await page.tap("#tapped a");
    await page.waitForSelector("h1 >> text=NEWEST1 at P6");
    await close();
  },

  async "an overstay is a notice on every page until it is dismissed, and no plate is stored"({ browser, tasks: { dwell: { origin } } }) {
    const { page, click, close } = await person(browser, origin);
    await page.waitForSelector("#notices:not([hidden])");
    assert.equal(await page.textContent("#notices-count"), String(OVERSTAYS.length));
    await page.goto(`${origin}/unmatched`);
    await page.waitForSelector("#notices:not([hidden])");
    await click("#notices summary");
    await click("#notices-list button >> nth=0");
    assert.equal(await page.textContent("#notices-count"), String(OVERSTAYS.length - 1));
    await page.goto(`${origin}/stays`);
    await page.waitForSelector("#notices:not([hidden])");
    assert.equal(await page.textContent("#notices-count"), String(OVERSTAYS.length - 1), "a dismissed notice stays away");
    const stored = await page.evaluate(() => JSON.stringify({ ...localStorage }));
    assert(!OVERSTAYS.some((plate) => stored.includes(plate)) && stored.includes("overstay@"), stored);
    await click("#notices summary");
    await click("#notices-dismiss");
    await page.waitForSelector("#notices", { state: "hidden" });
    await close();
  },
};
