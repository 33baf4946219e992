// Two people with different lots, side by side in two browsers: each signs in on the form, looks at every page, and sees
// nothing of the other's, in no response and in no message of a feed.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { Dwell } from "./dwell.mjs";

const PASSWORD = "four words in a row";
const PEOPLE = [
  { name: "maria", lot: "north-canary", plate: "NRTH0001" },
  { name: "mario", lot: "south-canary", plate: "SOTH0002" },
];
const PAGES = ["/", "/timeline", "/stays", "/unmatched", "/search", "/graphql", "/api/v1/sessions", "/api/v1/lots", "/api/v1/changes"];

/** A `dwell` that requires a login, with a user for each lot; `token` may report events and read all. */
export async function startWithPeople(binary) {
  const folder = await mkdtemp(path.join(tmpdir(), "dwell-people-"));
  const run = (args, input) =>
    execFileSync(binary, [...args, "--data-dir", folder], { input, stdio: "pipe" }).toString().trim();
  for (const { name, lot } of PEOPLE) {
    run(["user", "add", name, "--scopes", "read,read_plate", "--of-lots", lot, "--password-file", "-"], `${PASSWORD}\n`);
  }
  const token = run(["token", "create", "loader", "--scopes", "ingest,read,read_plate"], "");
  const dwell = await Dwell.on(binary, { DWELL_ACCESS: "required", DWELL_DATA_DIR: folder });
  await dwell.start();
  const stop = async () => {
    await dwell.stop();
    await rm(folder, { recursive: true, force: true });
  };
  return { dwell, token, stop };
}

/** Saves a stay of each lot that ended just now. */
async function save(origin, token, hoursAgo) {
  for (const { lot, plate } of PEOPLE) {
    const time = (hours) => new Date(Date.now() - hours * 3_600_000).toISOString();
    const body = { vehicle_plate: plate, lot_id: lot, entry_date_time: time(hoursAgo + 1), exit_date_time: time(hoursAgo) };
    const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
    const answer = await fetch(`${origin}/save_summary`, { method: "POST", headers, body: JSON.stringify(body) });
    assert.equal(answer.status, 200);
  }
}

/** A browser of one person, with everything that it received. */
async function personOf(browser, origin, person, options) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const received = [];
  page.on("response", (answer) => {
    received.push(answer.body().then((body) => `${answer.url()}\n${body}`, () => answer.url()));
  });
  // Settles when the live feed has told the person of the own lot.
  const heard = new Promise((resolve) => {
    page.on("websocket", (socket) => socket.on("framereceived", ({ payload }) => {
      received.push(Promise.resolve(String(payload)));
      if (String(payload).includes(person.plate)) resolve();
    }));
  });
  return { ...person, page, received, heard, close: () => context.close() };
}

async function signIn({ page, name }, origin, address) {
  await page.goto(origin + address);
  assert.equal(new URL(page.url()).pathname, "/login", "a page without a login leads to the form");
  await page.fill("#user", name);
  await page.fill("#password", PASSWORD);
  await Promise.all([page.waitForURL((url) => url.pathname !== "/login"), page.press("#password", "Enter")]);
  assert.equal(page.url(), origin + address, "the form leads back to the page");
  assert.match(await page.textContent("#person"), new RegExp(name));
}

export const peopleTests = {
  async "two people with different lots see nothing of each other"({ browser, people: { dwell: { origin }, token } }) {
    await save(origin, token, 5);
    const persons = await Promise.all(PEOPLE.map((person) => personOf(browser, origin, person)));
    for (const person of persons) await signIn(person, origin, "/stays");
    for (const address of PAGES) {
      await Promise.all(persons.map(async ({ page }) => assert.equal((await page.goto(origin + address)).status(), 200, address)));
    }
    for (const { page } of persons) {
      await page.goto(`${origin}/stays`);
      await page.waitForSelector("#live[data-mode=live]");
    }
    await save(origin, token, 2);
    await Promise.all(persons.map(({ heard }) => heard));
    for (const { page, plate } of persons) {
      await page.fill("#plate", plate);
      await Promise.all([page.waitForURL(`${origin}/search`), page.press("#plate", "Enter")]);
      assert.match(await page.textContent("main table"), new RegExp(plate));
    }

    for (const [index, { name, received, lot, plate }] of persons.entries()) {
      const other = PEOPLE[1 - index];
      const bodies = await Promise.all(received);
      assert(bodies.some((body) => body.includes(plate)) && bodies.some((body) => body.includes(lot)), `${name} sees the own lot`);
      const leaks = bodies.filter((body) => body.includes(other.lot) || body.includes(other.plate));
      assert.deepEqual(leaks.map((body) => body.slice(0, 200)), [], `${name} received something of ${other.name}`);
    }
    await Promise.all(persons.map((person) => person.close()));
  },

  async "a person signs out, and an open page of the session leads to the form"({ browser, people: { dwell: { origin } } }) {
    const person = await personOf(browser, origin, PEOPLE[0]);
    await signIn(person, origin, "/");
    const other = await person.page.context().newPage();
    await other.goto(`${origin}/unmatched`);
    await Promise.all([person.page.waitForURL(`${origin}/login`), person.page.click("#person button")]);
    await other.bringToFront();
    await other.waitForURL(`${origin}/login?next=%2Funmatched`, { timeout: 10_000 });
    await person.close();
  },

  async "the form works without scripts, on a narrow screen, and says what is wrong"({ browser, people: { dwell: { origin } } }) {
    const person = await personOf(browser, origin, PEOPLE[1], { javaScriptEnabled: false, viewport: { width: 320, height: 720 } });
    await person.page.goto(`${origin}/login`);
    await person.page.fill("#user", person.name);
    await person.page.fill("#password", "wrong");
    await person.page.click("main button");
    assert.match(await person.page.textContent("[role=alert]"), /The name or the password is wrong\./);
    await signIn(person, origin, "/timeline");
    await person.close();
  },

  async "the form is accessible"({ browser, people: { dwell: { origin } }, isAccessible }) {
    for (const colorScheme of ["light", "dark"]) {
      const person = await personOf(browser, origin, PEOPLE[0], { colorScheme, viewport: { width: 320, height: 720 } });
      await person.page.goto(`${origin}/login`);
      await isAccessible(person.page, `the form (${colorScheme})`);
      await signIn(person, origin, "/stays");
      await isAccessible(person.page, `a page with its person (${colorScheme})`);
      await person.close();
    }
  },
};
