//! The pure matching step on parsed events, compared with a hashbrown table with a packed key that does the same
//! bookkeeping.
//!
//! Our side is the in-memory work of a one-process pipeline on a batch: find the timelines of the vehicles, decide, put
//! them back. Both tables keep the vehicles that are inside, alternate the exit of a random one and a new entry, and
//! forget the vehicles that left. Both receive the key of a vehicle ready-made; a note reports the cost of making ours
//! from lot and plate. Each table has a separate process, so that the measured memory belongs to the table alone.

use std::hash::{BuildHasherDefault, Hasher};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use clap::ValueEnum;
use correlator::timelines::memory::{Address, Kept, Table as TimelineTable};
use hashbrown::HashMap;
use matching::{Limits, step};
use parking::{Direction, EventKey, LotId, Plate, Rules, State, Timestamp, Vehicle};
use uuid::Uuid;

use crate::generator::{DeterministicRng, lot, plate};
use crate::measure::{self, median};
use crate::report::Finding;
use crate::{Options, PROGRAM_DURATION_MAX};

const LOTS: u64 = 50;
/// Events are prepared untimed and then processed in one timed piece of this size, small enough to stay in the cache.
const CHUNK_EVENTS: u64 = 10_000;
/// The size of a batch. Its events are of different vehicles, like in the correlator.
const BATCH_EVENTS: u64 = 500;
const BEGIN_MS: i64 = 1_709_251_200_000;

/// Which table holds the open vehicles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Table {
    /// Packed key to entry time
    Hashbrown,
    /// Timelines by vehicle, decided by the step
    Timelines,
}

/// What is measured in a process of its own.
#[derive(Debug, clap::Args)]
pub(crate) struct PartArguments {
    #[arg(long)]
    table: Table,
    /// Vehicles inside
    #[arg(long)]
    open: u64,
    /// Events to process
    #[arg(long)]
    events: u64,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<Finding> {
    let mut finding = Finding::default();
    for open in options.sized([1_000_000, 10_000_000], [10_000, 100_000]) {
        let (mut yardstick, mut ours) = (Vec::new(), Vec::new());
        for _ in 0..options.runs {
            yardstick.push(measured(options, Table::Hashbrown, open)?);
            ours.push(measured(options, Table::Timelines, open)?);
        }
        let nanos = |runs: &[Cost]| median(runs.iter().map(|cost| cost.nanos).collect());
        let bytes = |runs: &[Cost]| median(runs.iter().map(|cost| cost.bytes).collect());
        let (ours_ns, theirs_ns) = (nanos(&ours), nanos(&yardstick));
        let work = format!("step, {open} open vehicles");
        finding.at_most(&work, format!("{ours_ns:.1} ns"), format!("{theirs_ns:.1} ns"), ours_ns / theirs_ns, 2.0);
        finding.limit(&format!("memory, {open} open vehicles"), bytes(&ours), 64.0, "bytes each");
        finding.note(format!("hashbrown at {open} open vehicles: {:.1} bytes each", bytes(&yardstick)));
        let naming = median(ours.iter().map(|cost| cost.naming_nanos).collect());
        finding.note(format!(
            "{open} open vehicles: a key of ours takes {naming:.1} ns to make, which is not in the step"
        ));
    }
    Ok(finding)
}

/// The cost of an event and of an open vehicle.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    pub(crate) nanos: f64,
    pub(crate) bytes: f64,
    /// The cost of making the vehicle's key.
    naming_nanos: f64,
}

/// Measures one table in a process of its own.
pub(crate) fn measured(options: &Options, table: Table, open: u64) -> anyhow::Result<Cost> {
    let events = options.sized(4_000_000_u64, 200_000).to_string();
    let table = table.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["part", "step", "--table", &table, "--open", &open.to_string(), "--events", &events]);
    let run = measure::run(&mut command, PROGRAM_DURATION_MAX)?;
    let mut words = run.output.split_whitespace().map(str::parse::<f64>);
    let mut next = || words.next().and_then(Result::ok).context("the measured process printed no result");
    Ok(Cost { nanos: next()?, bytes: next()?, naming_nanos: next()? })
}

/// The measured process: prints nanoseconds per event, bytes per open vehicle, and nanoseconds per key.
pub(crate) fn part(arguments: &PartArguments) -> anyhow::Result<()> {
    let Cost { nanos, bytes, naming_nanos } = match arguments.table {
        Table::Hashbrown => measure_table(arguments, EntryTimes::default())?,
        Table::Timelines => measure_table(arguments, Timelines::default())?,
    };
    crate::report::say(&format!("{nanos} {bytes} {naming_nanos}"));
    Ok(())
}

/// A parsed event. hashbrown uses the packed key of its vehicle; ours is made from lot and plate.
struct Arrival {
    packed: u64,
    vehicle: Vehicle,
    key: EventKey,
}

trait OpenVehicles {
    type Name;

    /// Makes the key of a vehicle.
    fn name(&mut self, arrival: &Arrival) -> Self::Name;

    /// Processes events of different vehicles; returns the number of matched exits.
    fn take(&mut self, batch: &[Arrival], names: &mut [Self::Name]) -> u64;
}

fn measure_table(arguments: &PartArguments, mut table: impl OpenVehicles) -> anyhow::Result<Cost> {
    let mut rng = DeterministicRng::new(7);
    let mut inside: Vec<u64> = (0..arguments.open).collect();
    let before = resident()?;
    let mut time = BEGIN_MS;
    for vehicle in &inside {
        time += 1;
        let arrival = arrival(*vehicle, Direction::Entry, time, rng.id())?;
        let name = table.name(&arrival);
        table.take(&[arrival], &mut [name]);
    }
    let bytes = (resident()? - before) / measure::number(arguments.open);
    let mut next_vehicle = arguments.open;
    let (mut taken, mut matched) = (0, 0);
    let (mut spent, mut spent_naming) = (Duration::ZERO, Duration::ZERO);
    let batch = usize::try_from(BATCH_EVENTS)?;
    while taken < arguments.events {
        let mut chunk = Vec::new();
        for _ in 0..CHUNK_EVENTS / BATCH_EVENTS {
            let first_of_batch = next_vehicle;
            while next_vehicle < first_of_batch + BATCH_EVENTS / 2 {
                let place = usize::try_from(rng.below(arguments.open))?;
                if inside[place] >= first_of_batch {
                    continue;
                }
                time += 1;
                chunk.push(arrival(inside[place], Direction::Exit, time, rng.id())?);
                chunk.push(arrival(next_vehicle, Direction::Entry, time, rng.id())?);
                inside[place] = next_vehicle;
                next_vehicle += 1;
            }
        }
        let begun = Instant::now();
        let mut names: Vec<_> = chunk.iter().map(|arrival| table.name(arrival)).collect();
        spent_naming += begun.elapsed();
        let begun = Instant::now();
        for (arrivals, names) in chunk.chunks(batch).zip(names.chunks_mut(batch)) {
            matched += table.take(arrivals, names);
        }
        spent += begun.elapsed();
        taken += CHUNK_EVENTS;
    }
    ensure!(matched == taken / 2, "{matched} of {} exits found their entry", taken / 2);
    let nanos = |spent: Duration| spent.as_secs_f64() * 1e9 / measure::number(taken);
    Ok(Cost { nanos: nanos(spent), bytes, naming_nanos: nanos(spent_naming) })
}

fn resident() -> anyhow::Result<f64> {
    let bytes = measure::memory(std::process::id(), "VmRSS").context("/proc does not report the resident memory")?;
    Ok(measure::number(bytes))
}

fn arrival(number: u64, direction: Direction, time_ms: i64, id: u128) -> anyhow::Result<Arrival> {
    let wrong = |problem: &str| anyhow::anyhow!("a made-up vehicle {problem}");
    let vehicle = Vehicle {
        lot: LotId::parse(&lot(number, LOTS)).map_err(wrong)?,
        plate: Plate::from_read(&plate(number)).map_err(wrong)?,
    };
    let key = EventKey { time: Timestamp::from_millis(time_ms), direction, id: Uuid::from_u128(id) };
    Ok(Arrival { packed: (number % LOTS) << 48 | number, vehicle, key })
}

/// A hash of one multiplication, as fast as those typically used with hashbrown.
#[derive(Default)]
struct Folded(u64);

impl Hasher for Folded {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        let product = u128::from(number ^ self.0 ^ 0x243F_6A88_85A3_08D3) * 0x9E37_79B9_7F4A_7C15;
        let bytes = product.to_le_bytes();
        let half = |from: usize| bytes[from..from + 8].try_into().map_or(0, u64::from_le_bytes);
        self.0 = half(0) ^ half(8);
    }
}

type Packed<V> = HashMap<u64, V, BuildHasherDefault<Folded>>;

#[derive(Default)]
struct EntryTimes {
    open: Packed<i64>,
    /// Keeps the compiler from removing the work.
    dwell_ms: i64,
}

impl EntryTimes {
    fn take_one(&mut self, arrival: &Arrival, name: u64) -> bool {
        match arrival.key.direction {
            Direction::Entry => self.open.insert(name, arrival.key.time.as_millis()).is_some(),
            Direction::Exit => {
                let entry = self.open.remove(&name);
                self.dwell_ms += entry.map_or(0, |entry| arrival.key.time.as_millis() - entry);
                entry.is_some()
            }
        }
    }
}

impl OpenVehicles for EntryTimes {
    type Name = u64;

    fn name(&mut self, arrival: &Arrival) -> u64 {
        arrival.packed
    }

    fn take(&mut self, batch: &[Arrival], names: &mut [u64]) -> u64 {
        batch.iter().zip(names).map(|(arrival, name)| u64::from(self.take_one(arrival, *name))).sum()
    }
}

#[derive(Default)]
struct Timelines {
    inside: TimelineTable,
    rules: Rules,
}

impl Timelines {
    fn take_one(&mut self, arrival: &Arrival, name: &Address, kept: Option<Kept>) -> bool {
        let Arrival { vehicle, key, .. } = arrival;
        let Kept { version, timeline } = kept.unwrap_or_default();
        let limits = Limits::of(&self.rules, &vehicle.lot);
        let decided = step(vehicle, &timeline, limits, &[*key], &[]);
        let Ok(decision) = &decided else { return false };
        let is_matched = decision.changes.iter().any(|change| change.to == State::Matched);
        if is_matched {
            self.inside.remove(name);
        } else {
            self.inside.put(name, version + 1, &decision.timeline);
        }
        is_matched
    }
}

impl OpenVehicles for Timelines {
    type Name = Address;

    fn name(&mut self, arrival: &Arrival) -> Address {
        self.inside.address(&arrival.vehicle)
    }

    fn take(&mut self, batch: &[Arrival], names: &mut [Address]) -> u64 {
        let kept = self.inside.get(names);
        let taken = batch.iter().zip(names).zip(kept);
        taken.map(|((arrival, name), kept)| u64::from(self.take_one(arrival, name, kept))).sum()
    }
}
