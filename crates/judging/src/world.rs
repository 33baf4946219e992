//! Traffic of one lot with its truth: regulars, fleets and vehicles that come once; reads that get lost, are wrong or
//! come twice. The same world always gives the same traffic.

use std::collections::BTreeMap;

use parking::{Direction, EventKey, Plate, Timestamp};

use crate::camera::{self, Camera, Certainty, Errors};
use crate::plates::{Country, Plates};
use crate::rng::DeterministicRng;
use crate::stays::Stays;
use crate::truth::{Truth, Visit};

/// What traffic is made from.
#[derive(Debug, Clone, PartialEq)]
pub struct World {
    /// Everything follows from it.
    pub seed: u64,
    /// Seen vehicles inside, on average at an exit.
    pub inside: u32,
    /// Where nine vehicles in ten come from.
    pub country: Country,
    /// Days of traffic.
    pub days: u32,
    /// Days that are not judged.
    pub warm_up_days: u32,
    /// What cameras do.
    pub errors: Errors,
    /// Cameras say how certain they are.
    pub certain: bool,
    /// Share of passages that are read twice with different texts.
    pub re_read: f64,
    /// Share of entries that are not seen.
    pub lost_entries: f64,
    /// Share of exits that are not seen.
    pub lost_exits: f64,
}

/// Share of stays by regulars, and by fleets; the others come once.
const KINDS: [f64; 2] = [0.55, 0.07];
/// Mean days between two visits of a regular or of a fleet's vehicle.
const RETURN_DAYS: f64 = 3.0;
/// How uneven regulars are.
const PARETO: f64 = 1.3;
/// No regular comes more often than that against the mean.
const PARETO_MAX: f64 = 12.0;
/// Cameras a direction.
const CAMERAS: usize = 2;
/// Misreads that lie in the plate: both cameras see the same.
const IN_PLATE: f64 = 0.15;
/// A tenth of the vehicles are three times as hard to read.
const HARD: (f64, f64) = (0.1, 3.0);
/// Errors at night, relative.
const NIGHT: f64 = 1.6;
/// Reads that say that nothing was read.
const UNREAD: f64 = 0.005;
const DAY_MS: i64 = 86_400_000;
/// A Monday at midnight.
const START_MS: i64 = 1_727_049_600_000;

/// A read as a gate reports it.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Time, direction and id.
    pub key: EventKey,
    /// The gate's name.
    pub gate: String,
    /// The text.
    pub plate: Plate,
    /// What the camera says of it.
    pub certainty: Certainty,
    /// Whether a read of the same passage came before.
    pub is_re_read: bool,
}

/// What the gates reported, and what was true.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Traffic {
    /// In order of time.
    pub reports: Vec<Report>,
    /// The stays in order of arrival.
    pub truth: Truth,
}

struct Vehicle {
    plate: String,
    weight: f64,
    is_hard: bool,
}

struct Population {
    vehicles: Vec<Vehicle>,
    /// Sums of weights up to each vehicle, of regulars and of fleets.
    sums: [Vec<f64>; 2],
    starts: [usize; 2],
}

impl World {
    /// The traffic of this world.
    pub fn traffic(&self, stays: &Stays) -> Traffic {
        let a_day = self.arrivals_a_day(stays);
        let mut rng = DeterministicRng::new(self.seed, 1);
        let home = Plates::new(self.country, &mut rng);
        let abroad: Vec<Plates> = Country::ALL.iter().map(|country| Plates::new(*country, &mut rng)).collect();
        let draw = |rng: &mut DeterministicRng| {
            let plates = if rng.chance(0.1) { &abroad[rng.below(abroad.len())] } else { &home };
            plates.draw(rng)
        };
        let mut population = Population::new(a_day, &draw, &home, &mut rng);
        let cameras: Vec<Camera> = (0..2 * CAMERAS).map(|number| Camera::new(self.errors, number, &mut rng)).collect();
        let mut arrivals = Vec::new();
        for day in 0..self.days {
            for _ in 0..whole(a_day) {
                let (minute, length) = stays.draw(&mut rng);
                let millis = i64::from(minute) * 60_000 + millis_below(&mut rng, 60_000);
                let entered = START_MS + i64::from(day) * DAY_MS + millis;
                arrivals.push((entered, i64::from(length) * 60_000 + millis_below(&mut rng, 60_000) + 20_000));
            }
        }
        arrivals.sort_unstable();
        let judged_from = at(START_MS + i64::from(self.warm_up_days) * DAY_MS);
        let mut traffic = Traffic { truth: Truth { judged_from, visits: Vec::new() }, reports: Vec::new() };
        let end = START_MS + i64::from(self.days) * DAY_MS;
        let mut busy_until = BTreeMap::new();
        for (entered, length) in arrivals {
            let vehicle = population.draw(entered, &busy_until, &draw, &mut rng);
            busy_until.insert(vehicle, entered + length + 120_000);
            let visit = (at(entered), at(entered + length));
            self.visit(&population.vehicles[vehicle], visit, &cameras, at(end), &mut rng, &mut traffic);
        }
        traffic.reports.sort_by_key(|report| report.key);
        traffic
    }

    /// Arrivals a day that lead to the vehicles inside.
    pub fn arrivals_a_day(&self, stays: &Stays) -> f64 {
        // Fewer are inside in the first days; the peak hours have more exits. Found by trial.
        f64::from(self.inside) / (stays.mean_days() * (1.0 - self.lost_entries)) / self.fullness(stays)
    }

    /// How many are inside at an exit of the judged days, relative to what arrivals and mean stay say.
    fn fullness(&self, stays: &Stays) -> f64 {
        const A_DAY: usize = 2_000;
        let mut rng = DeterministicRng::new(self.seed, 2);
        let mut moments = Vec::new();
        for day in 0..self.days {
            for _ in 0..A_DAY {
                let (minute, length) = stays.draw(&mut rng);
                let entered = i64::from(day * 1440 + minute);
                moments.extend([(entered, 1), (entered + i64::from(length), -1)]);
            }
        }
        moments.sort_unstable();
        let judged = i64::from(self.warm_up_days * 1440)..i64::from(self.days * 1440);
        let (mut inside, mut sum, mut exits) = (0.0, 0.0, 0.0);
        for (moment, change) in moments {
            if change < 0 && judged.contains(&moment) {
                sum += inside;
                exits += 1.0;
            }
            inside += f64::from(change);
        }
        if exits > 0.0 { sum / exits / (2_000.0 * stays.mean_days()) } else { 1.0 }
    }

    fn visit(
        &self,
        vehicle: &Vehicle,
        (entered, left): (Timestamp, Timestamp),
        cameras: &[Camera],
        end: Timestamp,
        rng: &mut DeterministicRng,
        traffic: &mut Traffic,
    ) {
        let hardness = if vehicle.is_hard { HARD.1 } else { 1.0 };
        // So that the mean over vehicles and hours is what was asked for.
        let usual = self.errors.misread / (1.0 - HARD.0 + HARD.0 * HARD.1) * hardness;
        let worn = rng.chance(usual * IN_PLATE).then(|| cameras[0].misread(&vehicle.plate, rng));
        let shown = worn.as_deref().unwrap_or(&vehicle.plate);
        let mut visit =
            Visit { plate: vehicle.plate.clone(), entered, left, entry: None, exit: None, re_reads: Vec::new() };
        for (direction, time, lost) in
            [(Direction::Entry, entered, self.lost_entries), (Direction::Exit, left, self.lost_exits)]
        {
            let is_lost = rng.chance(lost) || time >= end;
            let number = rng.below(CAMERAS) + if direction == Direction::Exit { CAMERAS } else { 0 };
            if is_lost {
                continue;
            }
            let camera = &cameras[number];
            let night = if is_night(time) { NIGHT } else { 1.0 };
            let rate = usual * (1.0 - IN_PLATE) * camera.rate * night;
            let wrong = rng.chance(rate).then(|| camera.misread(shown, rng));
            let text = camera.through_dirt(wrong.as_deref().unwrap_or(shown), rng);
            let text = if rng.chance(UNREAD) { "NOPLATE".to_owned() } else { text };
            let first = self.report(shown, &text, (time, direction, number), rng);
            let seen = (first.plate.as_str() != "NOPLATE").then_some(first.key.id);
            match direction {
                Direction::Entry => visit.entry = seen,
                Direction::Exit => visit.exit = seen,
            }
            if seen.is_some() && rng.chance(self.re_read) {
                let gap = 2_000 + millis_below(rng, 18_000);
                let again =
                    if wrong.is_some() && rng.chance(0.5) { shown.to_owned() } else { camera.misread(shown, rng) };
                if again != text {
                    let second = self.report(shown, &again, (time.plus_millis(gap), direction, number), rng);
                    visit.re_reads.push(second.key.id);
                    traffic.reports.push(Report { is_re_read: true, ..second });
                }
            }
            traffic.reports.push(first);
        }
        traffic.truth.visits.push(visit);
    }

    fn report(
        &self,
        shown: &str,
        text: &str,
        seen: (Timestamp, Direction, usize),
        rng: &mut DeterministicRng,
    ) -> Report {
        let (time, direction, number) = seen;
        let certainty =
            if self.certain && text != "NOPLATE" { camera::certainty(shown, text, rng) } else { Certainty::default() };
        let plate = Plate::from_read(text).expect("a read has at most sixteen letters");
        let key = EventKey { time, direction, id: rng.id() };
        Report {
            key,
            gate: format!("{}-{}", direction.as_str(), number % CAMERAS),
            plate,
            certainty,
            is_re_read: false,
        }
    }
}

impl Population {
    fn new(
        a_day: f64,
        draw: &impl Fn(&mut DeterministicRng) -> String,
        home: &Plates,
        rng: &mut DeterministicRng,
    ) -> Self {
        let mut population = Self { vehicles: Vec::new(), sums: [Vec::new(), Vec::new()], starts: [0; 2] };
        let regulars = whole(a_day * KINDS[0] * RETURN_DAYS);
        for _ in 0..regulars {
            let weight = rng.pareto(PARETO).min(PARETO_MAX);
            population.add(0, draw(rng), weight, rng);
        }
        population.starts[1] = population.vehicles.len();
        let members = whole(a_day * KINDS[1] * RETURN_DAYS);
        while population.sums[1].len() < members {
            let mut plate = home.draw(rng);
            for _ in 0..4 + rng.below(27) {
                population.add(1, plate.clone(), 1.0, rng);
                let Some(next) = home.next(&plate) else { break };
                plate = next;
            }
        }
        population
    }

    fn add(&mut self, kind: usize, plate: String, weight: f64, rng: &mut DeterministicRng) {
        let is_hard = rng.chance(HARD.0);
        let sum = self.sums[kind].last().copied().unwrap_or(0.0) + weight;
        self.sums[kind].push(sum);
        self.vehicles.push(Vehicle { plate, weight, is_hard });
    }

    /// The next vehicle to arrive, which is not inside.
    fn draw(
        &mut self,
        entered: i64,
        busy_until: &BTreeMap<usize, i64>,
        draw: &impl Fn(&mut DeterministicRng) -> String,
        rng: &mut DeterministicRng,
    ) -> usize {
        let kind = rng.weighted(&[KINDS[0], KINDS[1], 1.0 - KINDS[0] - KINDS[1]]);
        for _ in 0..20 {
            let Some(total) = self.sums.get(kind).and_then(|sums| sums.last()) else { break };
            let sought = rng.unit() * total;
            let found = self.starts[kind] + self.sums[kind].partition_point(|sum| *sum <= sought);
            if busy_until.get(&found).is_none_or(|until| *until < entered) {
                debug_assert!(self.vehicles[found].weight > 0.0, "everybody comes some day");
                return found;
            }
        }
        let plate = draw(rng);
        let is_hard = rng.chance(HARD.0);
        self.vehicles.push(Vehicle { plate, weight: 0.0, is_hard });
        self.vehicles.len() - 1
    }
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn is_night(time: Timestamp) -> bool {
    !(6..22).contains(&(time.as_millis().rem_euclid(DAY_MS) / 3_600_000))
}

fn millis_below(rng: &mut DeterministicRng, end: usize) -> i64 {
    i64::try_from(rng.below(end)).expect("it is small")
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is a number of vehicles")]
fn whole(value: f64) -> usize {
    libm::round(value) as usize
}
