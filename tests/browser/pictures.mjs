// The pictures of the documentation: the last day of three lots, from a fixed seed, with stays as long as in life.
//
// They look best with the fonts of Debian's packages fonts-noto-core and fonts-droid-fallback.
import { mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { Dwell } from "./dwell.mjs";

/** Lots as there might be some. */
const LOTS = `
[[lot]]
id = "central-mall"
kind = "mall"
capacity = 160
time_zone = "Europe/Berlin"
arrivals_per_hour = 36

[[lot]]
id = "grand-hotel"
kind = "hotel"
capacity = 220
time_zone = "Europe/Berlin"
arrivals_per_hour = 12

[[lot]]
id = "old-market"
kind = "market"
capacity = 240
time_zone = "Europe/Berlin"
arrivals_per_hour = 60
`;

/** Name, address and options of each picture. */
const PICTURES = [
  ["now", "/", { colorScheme: "light" }],
  ["timeline", "/timeline?lot_id=old-market&span=6h", { colorScheme: "dark" }],
  ["stays", "/stays?lot_id=old-market", { colorScheme: "light" }],
  ["narrow", "/", { colorScheme: "dark", viewport: { width: 390, height: 844 } }],
];

export async function takePictures(browser, folder, binary) {
  await mkdir(folder, { recursive: true });
  const lots = path.join(await mkdtemp(path.join(tmpdir(), "dwell-lots-")), "lots.toml");
  await writeFile(lots, LOTS);
  const dwell = await Dwell.on(binary, {
    DWELL_SEED: "7", DWELL_STAY_SCALE: "1", DWELL_BACKFILL: "24h", DWELL_LOTS: lots, DWELL_STRANGER_SHARE: "0.01",
    DWELL_LOST_ENTRY_SHARE: "0.01", DWELL_LOST_EXIT_SHARE: "0.01",
  });
  await dwell.start();
  try {
    await isSettled(dwell.origin);
    for (const [name, address, options] of [...PICTURES, await newestStay(dwell.origin)]) {
      const context = await browser.newContext({ viewport: { width: 1280, height: 860 }, ...options });
      const page = await context.newPage();
      await page.goto(dwell.origin + address);
      await page.screenshot({ path: path.join(folder, `${name}.png`) });
      await context.close();
    }
  } finally {
    await dwell.stop();
  }
}

async function newestStay(origin) {
  const { sessions } = await (await fetch(`${origin}/api/v1/sessions?lot_id=central-mall&state=matched&limit=1`)).json();
  return ["session", `/sessions/${sessions[0].session_id}`, { colorScheme: "light" }];
}

/** Waits until the past is recorded: a lot's own time is now, queues are empty, no exit is held any more, and how long stays
usually last is known, which is looked at once a minute. */
async function isSettled(origin) {
  const ask = async (what) => (await fetch(`${origin}/api/v1/${what}`)).json();
  for (;;) {
    const [{ correlators, pending, now }, { lots }] = await Promise.all([ask("status"), ask("lots")]);
    const waiting = correlators.map((one) => one.entry_ready + one.exit_ready + one.in_flight);
    const behindMs = Date.parse(now) - Math.max(...lots.map((lot) => Date.parse(lot.time) || 0));
    const areUsualKnown = lots.every((lot) => lot.doubtful !== null);
    if (behindMs < 120_000 && waiting.every((count) => count < 5) && pending.held_exits < 3 && areUsualKnown) return;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}
