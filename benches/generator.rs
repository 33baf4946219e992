//! The seeded gate events of the benchmarks: writes the traffic to a file and returns the expected result.
//!
//! Visits begin every 229 ms on average (5 million in 318 hours); stays are log-normal with a median of 75 minutes. A
//! share of the exits is misread as a vehicle that never entered, so that as many entries stay without an exit. A share
//! of the events is written up to five minutes late, and a share is written twice. The members of a line are in varying
//! order. A plan gives the same bytes on every machine. For realistic arrivals by hour see the crate `simulator`.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::Context as _;
use parking::Timestamp;
use uuid::Uuid;

/// 2024-03-01T00:00:00Z, so far in the past that no event is ahead of a clock.
const BEGIN_MS: i64 = 1_709_251_200_000;
/// Twice the mean time between two visits, in milliseconds.
const GAP_MAX_MS: u64 = 458;
/// The maximum delay between an event and its line, in milliseconds.
const LATE_MAX_MS: u64 = 300_000;
/// The minimum time between two visits of a vehicle, in milliseconds: the re-read window of a new ledger.
const AWAY_MIN_MS: i64 = 60_000;
/// The number of plates of three letters and four digits.
const PLATES: u64 = 26 * 26 * 26 * 10_000;
/// Coprime to `PLATES`, so that numbers map to plates one to one and neighbours differ.
const PLATE_STEP: u64 = 48_271;
/// Vehicles that never entered have numbers from here on.
const STRANGERS_FROM: u64 = PLATES / 2;

/// A random number generator that is small, fast and deterministic on every machine (splitmix64).
#[derive(Debug, Clone)]
pub(crate) struct DeterministicRng(u64);

impl DeterministicRng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number below `end`, which must be small compared with 2^64.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// Returns a number from 0 to 1.
    fn share(&mut self) -> f64 {
        f64::from(u32::try_from(self.next() >> 32).unwrap_or(u32::MAX)) / f64::from(u32::MAX)
    }

    fn is_one_of(&mut self, share: f64) -> bool {
        self.share() < share
    }

    /// Returns a stay in milliseconds: log-normal, from a minute to three days.
    fn stay_ms(&mut self) -> i64 {
        // The sum of twelve uniform numbers is close enough to normal.
        let normal = (0..12).map(|_| self.share()).sum::<f64>() - 6.0;
        let minutes = (75.0 * (0.8 * normal).exp()).clamp(1.0, 3.0 * 24.0 * 60.0);
        #[expect(clippy::cast_possible_truncation, reason = "at most three days")]
        let millis = (minutes * 60_000.0) as i64;
        millis
    }

    /// Returns an event id.
    pub(crate) fn id(&mut self) -> u128 {
        // Has the version and variant bits of a random UUID, so that every parser accepts it.
        let random = (u128::from(self.next()) << 64) | u128::from(self.next());
        (random & !(0xF << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62)
    }
}

/// The parameters of the traffic.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// Distinct events: two for each visit.
    pub(crate) events: u64,
    pub(crate) lots: u64,
    /// If set, this many vehicles, strangers included, return again and again; otherwise each vehicle comes one to
    /// seven times.
    pub(crate) vehicles: Option<u64>,
    pub(crate) late: f64,
    pub(crate) duplicates: f64,
    pub(crate) strangers: f64,
    pub(crate) seed: u64,
}

impl Plan {
    /// The log to replay: 50 lots, 5 % late, 1 % duplicates, a fifth of the exits misread.
    pub(crate) fn replay(events: u64) -> Self {
        Self { events, lots: 50, vehicles: None, late: 0.05, duplicates: 0.01, strangers: 0.2, seed: 1 }
    }

    /// The backlog to drain: like the replay's traffic, but without duplicates and with few vehicles: 300,000 for 2
    /// million events.
    pub(crate) fn backlog(events: u64) -> Self {
        Self { vehicles: Some((events * 3 / 20).max(100)), duplicates: 0.0, ..Self::replay(events) }
    }
}

/// The expected result of a traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Truth {
    /// Distinct events.
    pub(crate) events: u64,
    /// Exits that belong to an entry.
    pub(crate) matched: u64,
    /// Exits of vehicles that never entered; as many entries have no exit.
    pub(crate) strangers: u64,
    /// Lines of the file, duplicates included.
    pub(crate) lines: u64,
}

/// A line to write, in the order of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    due_ms: i64,
    number: u64,
    time_ms: i64,
    is_exit: bool,
    vehicle: u64,
    id: u128,
}

/// A vehicle that returns after a time: the time, the vehicle, and its remaining visits.
type Away = Reverse<(i64, u64, u64)>;

/// Writes the traffic as NDJSON.
pub(crate) fn write_file(plan: &Plan, path: &Path) -> anyhow::Result<Truth> {
    let file = File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
    let out = BufWriter::with_capacity(1 << 20, file);
    let traffic = Traffic {
        rng: DeterministicRng::new(plan.seed),
        plan: plan.clone(),
        due: BinaryHeap::new(),
        away: BinaryHeap::new(),
        made: 0,
        truth: Truth::default(),
        out,
        line: Vec::new(),
    };
    traffic.write().with_context(|| format!("cannot write {}", path.display()))
}

struct Traffic<W> {
    plan: Plan,
    rng: DeterministicRng,
    due: BinaryHeap<Reverse<Line>>,
    away: BinaryHeap<Away>,
    /// The number of vehicles so far, without strangers.
    made: u64,
    truth: Truth,
    out: W,
    line: Vec<u8>,
}

impl<W: Write> Traffic<W> {
    fn write(mut self) -> std::io::Result<Truth> {
        let mut now_ms = BEGIN_MS;
        for _ in 0..self.plan.events / 2 {
            now_ms += i64::try_from(self.rng.below(GAP_MAX_MS)).unwrap_or(0);
            self.write_due(now_ms)?;
            self.visit(now_ms);
        }
        self.write_due(i64::MAX)?;
        self.out.flush()?;
        Ok(self.truth)
    }

    fn visit(&mut self, entry_ms: i64) {
        let (vehicle, visits_left) = self.next_vehicle(entry_ms);
        let exit_ms = entry_ms + self.rng.stay_ms();
        let is_misread = self.rng.is_one_of(self.plan.strangers);
        self.add(entry_ms, false, vehicle);
        if is_misread {
            let strangers = self.plan.vehicles.map_or(STRANGERS_FROM, |vehicles| vehicles / 5);
            self.add(exit_ms, true, STRANGERS_FROM + self.truth.strangers % strangers);
            self.truth.strangers += 1;
        } else {
            self.add(exit_ms, true, vehicle);
            self.truth.matched += 1;
        }
        // A misread vehicle of the replay stays inside for good, so the state grows.
        if visits_left > 0 && (self.plan.vehicles.is_some() || !is_misread) {
            self.away.push(Reverse((exit_ms + AWAY_MIN_MS, vehicle, visits_left)));
        }
    }

    /// Returns the next vehicle and its remaining visits.
    fn next_vehicle(&mut self, now_ms: i64) -> (u64, u64) {
        let regulars = self.plan.vehicles.map(|vehicles| vehicles - vehicles / 5);
        let wants_new = regulars.map_or_else(|| self.rng.below(4) == 0, |regulars| self.made < regulars);
        let is_back = self.away.peek().is_some_and(|Reverse((free_ms, _, _))| *free_ms <= now_ms);
        if !wants_new
            && is_back
            && let Some(Reverse((_, vehicle, left))) = self.away.pop()
        {
            return (vehicle, left - 1);
        }
        self.made += 1;
        let visits = if regulars.is_some() { u64::MAX } else { 1 + self.rng.below(7) };
        (self.made - 1, visits - 1)
    }

    fn add(&mut self, time_ms: i64, is_exit: bool, vehicle: u64) {
        let id = self.rng.id();
        let mut due_ms = time_ms;
        if self.rng.is_one_of(self.plan.late) {
            due_ms += self.lateness();
        }
        self.truth.events += 1;
        self.queue(Line { due_ms, number: 0, time_ms, is_exit, vehicle, id });
        if self.rng.is_one_of(self.plan.duplicates) {
            let due_ms = due_ms + self.lateness();
            self.queue(Line { due_ms, number: 0, time_ms, is_exit, vehicle, id });
        }
    }

    fn lateness(&mut self) -> i64 {
        i64::try_from(self.rng.below(LATE_MAX_MS)).unwrap_or(0)
    }

    fn queue(&mut self, line: Line) {
        self.truth.lines += 1;
        self.due.push(Reverse(Line { number: self.truth.lines, ..line }));
    }

    fn write_due(&mut self, now_ms: i64) -> std::io::Result<()> {
        while self.due.peek().is_some_and(|Reverse(line)| line.due_ms <= now_ms) {
            let Some(Reverse(line)) = self.due.pop() else { break };
            self.line.clear();
            let order = self.rng.next();
            write_line(&line, self.plan.lots, order, &mut self.line)?;
            self.out.write_all(&self.line)?;
        }
        Ok(())
    }
}

/// Returns the plate of a vehicle.
pub(crate) fn plate(vehicle: u64) -> String {
    let mixed = vehicle * PLATE_STEP % PLATES;
    let letter = |place: u64| char::from(b'A' + u8::try_from(mixed / 10_000 / place % 26).unwrap_or(0));
    format!("{}{}{}{:04}", letter(1), letter(26), letter(26 * 26), mixed % 10_000)
}

/// Returns the lot of a vehicle.
pub(crate) fn lot(vehicle: u64, lots: u64) -> String {
    format!("L{:02}", vehicle % lots)
}

fn write_line(line: &Line, lots: u64, order: u64, out: &mut Vec<u8>) -> std::io::Result<()> {
    let mut members = [0, 1, 2, 3];
    for place in (1..4).rev() {
        let other = usize::try_from((order >> (place * 8)) % (place + 1)).unwrap_or(0);
        members.swap(usize::try_from(place).unwrap_or(0), other);
    }
    let direction = if line.is_exit { "exit" } else { "entry" };
    for (place, member) in members.into_iter().enumerate() {
        out.push(if place == 0 { b'{' } else { b',' });
        match member {
            0 => write!(out, r#""id":"{}""#, Uuid::from_u128(line.id))?,
            1 => write!(out, r#""vehicle_plate":"{}""#, plate(line.vehicle))?,
            2 => write!(out, r#""lot_id":"{}""#, lot(line.vehicle, lots))?,
            _ => write!(out, r#""{direction}_date_time":"{}""#, Timestamp::from_millis(line.time_ms))?,
        }
    }
    out.extend_from_slice(b"}\n");
    Ok(())
}
