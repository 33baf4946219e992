//! Judges misread matching on simulated traffic: recall, false matches, wrong vehicles and speed, world by world.
//!
//!     cargo bench -p matching --bench misreads -- [SEEDS] [WORDS OF ROWS] [causes]
//!
//! With `causes`, why exits lack their entry is counted too.
//! Seeds 1 to 99 are for development; judge with others. Real stays are taken from the folder `DWELL_STAYS` (files of
//! `arrival,departure` lines), else they are made up.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench prints what it measured, and stops at what it lacks"
)]

#[path = "misreads/causes.rs"]
mod causes;

use std::collections::{BTreeMap, BTreeSet};

use judging::camera::{Camera, Errors};
use judging::plates::{Country, Plates};
use judging::rng::DeterministicRng;
use judging::{Dips, Paired, Score, Stays, Traffic, World, dips, score};
use matching::Limits;
use matching::misread::{Decisions, GateRead, Lot, Models, Pair, PlateKey, Purpose, Weigher, decide, learn};
use parking::{Direction, EventKey, GateId, LotId, Plate, Rules, Timestamp};
use uuid::Uuid;

const USUAL: Errors = Errors { misread: 0.091, alike: 0.7, cut: 0.0, dirty: false };

fn world(inside: u32, errors: Errors) -> World {
    let (days, warm_up_days) = if inside >= 10_000 { (3, 1) } else { (4, 2) };
    World {
        seed: 0,
        inside,
        country: Country::Britain,
        days,
        warm_up_days,
        errors,
        certain: false,
        re_read: 0.0,
        lost_entries: 0.2,
        lost_exits: 0.053,
    }
}

fn worlds() -> Vec<(&'static str, World, [f64; 2])> {
    let alike = Errors { alike: 0.4, ..USUAL };
    let certain = |world: World| World { certain: true, ..world };
    vec![
        ("300, 10 %, 70 %", world(300, USUAL), [98.6, 0.5]),
        ("1000, 10 %, 40 %", world(1_000, alike), [98.1, 0.8]),
        ("1000, 10 %, 40 %, certain", certain(world(1_000, alike)), [98.6, 0.8]),
        ("1000, 10 %, dirty", world(1_000, Errors { dirty: true, ..USUAL }), [97.5, 1.0]),
        ("1000, 10 %, cut", world(1_000, Errors { cut: 0.25, ..USUAL }), [97.5, 1.0]),
        ("3000, 5 %", world(3_000, Errors { misread: 0.054, ..USUAL }), [99.0, 0.8]),
        ("3000, 10 %, 70 %", world(3_000, USUAL), [98.1, 1.0]),
        ("3000, 10 %, 70 %, certain", certain(world(3_000, USUAL)), [98.7, 0.9]),
        ("3000, 20 %", world(3_000, Errors { misread: 0.2, ..USUAL }), [95.5, 1.4]),
        ("10000, 10 %", world(10_000, USUAL), [98.0, 1.0]),
        ("1000, 10 %, re-reads", World { re_read: 0.03, ..world(1_000, USUAL) }, [98.0, 1.0]),
    ]
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let seeds: Vec<u64> = arguments
        .first()
        .map_or_else(|| vec![13], |text| text.split('+').filter_map(|seed| seed.parse().ok()).collect());
    let words = arguments.get(1).cloned().unwrap_or_default();
    let stays = stays();
    if words == "speed" {
        for entries in [10_000, 30_000, 75_000] {
            speed(entries, &stays);
        }
        return;
    }
    println!("| world | exact | recall | false | wrong | expected:true bad | dips caught | tau | reach | us an exit |");
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    for (name, world, [recall, false_rate]) in worlds() {
        if !name.contains(&words) {
            continue;
        }
        let (mut total, mut dips) = (Score::default(), Dips::default());
        let (mut taus, mut micros) = (Vec::new(), Vec::new());
        let mut counts: BTreeMap<String, u32> = BTreeMap::new();
        for seed in &seeds {
            let countries: &[Country] = match world.inside {
                300 => &[Country::Britain, Country::Germany, Country::India, Country::Brazil],
                10_000 => &[Country::Britain],
                _ => &[Country::Britain, Country::Germany],
            };
            for (number, country) in (0..).zip(countries) {
                let world = World { seed: seed * 100 + number, country: *country, ..world.clone() };
                let judged = judge(&world.traffic(&stays));
                total = total.plus(&judged.score);
                dips = dips.plus(&judged.dips);
                taus.push(judged.tau);
                micros.push(judged.micros);
                judged.causes.into_iter().for_each(|(cause, count)| *counts.entry(cause).or_default() += count);
            }
        }
        let [micros, tau] =
            [micros, taus].map(|values| values.iter().sum::<f64>() / f64::from(u32::try_from(values.len()).unwrap()));
        let good = |is_so: bool| if is_so { "" } else { " (!)" };
        println!(
            "| {name} | {:.2} | {:.2}{} | {:.2}{} | {:.3} | {:.0}:{} | {}/{} | {tau:.2} | {recall} / {false_rate} | {micros:.0} |",
            total.exact_recall(),
            total.recall(),
            good(total.recall() >= recall),
            total.false_rate(),
            good(total.false_rate() <= false_rate),
            total.wrong_rate(),
            total.expected_bad,
            total.bad,
            dips.caught,
            dips.all,
        );
        if arguments.iter().any(|word| word == "causes") {
            for (cause, count) in &counts {
                println!("{count:>8}  {cause}");
            }
        }
    }
}

struct Judged {
    score: Score,
    dips: Dips,
    tau: f64,
    micros: f64,
    causes: BTreeMap<String, u32>,
}

fn judge(traffic: &Traffic) -> Judged {
    let rules = Rules::default();
    let reads: Vec<GateRead> = traffic.reports.iter().map(read).collect();
    let lot_id = LotId::default();
    let lot = Lot::of_reads(&reads, Limits::of(&rules, &lot_id), |plate| rules.is_unread(plate));
    let key = PlateKey([7; 16]);
    let purpose = Purpose {
        lot: lot_id.clone(),
        valid_from: Timestamp::from_millis(i64::MIN + 1),
        false_match_target: 0.01,
        key,
    };
    let record = learn(&lot, &purpose);
    let tau = f64::from(record.tau) / 10_000.0;
    let models = Models::new(&lot_id, &[record], key);
    let started = processor_seconds();
    let mut weigher = Weigher::new(&lot, &models);
    let decisions = decide(&mut weigher);
    let micros = (processor_seconds() - started) * 1e6 / f64::from(u32::try_from(lot.exits.len()).unwrap());
    let unequal = decisions.matches().map(|pair| Paired {
        entry: lot.entries[pair.entry].read.key.id,
        exit: lot.exits[pair.exit].read.key.id,
        probability: Some(pair.probability),
    });
    let exact =
        lot.exact.iter().map(|exact| Paired { entry: exact.entry.key.id, exit: exact.exit.key.id, probability: None });
    let pairs: Vec<Paired> = unequal.chain(exact).collect();
    if traffic.truth.visits.iter().any(|visit| !visit.re_reads.is_empty()) {
        ghosts(traffic, &lot, &decisions);
    }
    let doubtful: Vec<_> =
        lot.exact.iter().map(|exact| (exact.entry.key.id, exact.exit.key.id, weigher.double_dip(exact))).collect();
    Judged {
        score: score(&traffic.truth, &pairs),
        dips: dips(&traffic.truth, &doubtful),
        tau,
        micros,
        causes: causes::causes(traffic, &lot, &decisions),
    }
}

/// The time that this number of entries without an exit costs: for the index, and for each unmatched exit.
fn speed(entries: u32, stays: &Stays) {
    const EXITS: u32 = 2_000;
    let (lot_id, rules, key) = (LotId::default(), Rules::default(), PlateKey([7; 16]));
    let world = World { seed: 5, country: Country::Germany, ..world(1_000, USUAL) };
    let reads: Vec<GateRead> = world.traffic(stays).reports.iter().map(read).collect();
    let limits = Limits::of(&rules, &lot_id);
    let lot = Lot::of_reads(&reads, limits, |plate| rules.is_unread(plate));
    let valid_from = Timestamp::from_millis(0);
    let record = learn(&lot, &Purpose { lot: lot_id.clone(), valid_from, false_match_target: 0.01, key });
    let mut rng = DeterministicRng::new(world.seed, 1);
    let plates = Plates::new(world.country, &mut rng);
    let camera = Camera::new(USUAL, 0, &mut rng);
    let texts: Vec<String> = (0..entries).map(|_| plates.draw(&mut rng)).collect();
    let at = |text: &str, second: i64, direction: Direction, id: Uuid| {
        let time = lot.time.plus_millis(1_000 * second);
        GateRead::plain(Plate::from_read(text).unwrap(), EventKey { time, direction, id })
    };
    let mut reads: Vec<GateRead> = texts
        .iter()
        .zip(0..)
        .map(|(text, number)| at(text, number * 43_200 / i64::from(entries), Direction::Entry, rng.id()))
        .collect();
    for number in 0..EXITS {
        let text = match number % 3 {
            0 => plates.draw(&mut rng),
            _ => camera.misread(&texts[rng.below(texts.len())], &mut rng),
        };
        reads.push(at(&text, 43_200 + i64::from(number), Direction::Exit, rng.id()));
    }
    let lot = Lot::of_reads(&reads, limits, |plate| rules.is_unread(plate));
    let models = Models::new(&lot_id, &[record], key);
    let started = processor_seconds();
    let mut weigher = Weigher::new(&lot, &models);
    let built = processor_seconds();
    let decisions = decide(&mut weigher);
    let cold = processor_seconds();
    // A worker keeps the marginals of its entries from exit to exit.
    drop(decide(&mut weigher));
    let warm = processor_seconds();
    let an_exit = |seconds: f64| seconds * 1e6 / f64::from(u32::try_from(lot.exits.len()).unwrap());
    println!(
        "{entries} entries: index {:.0} ms, {:.0} us an unmatched exit, {:.0} us once the entries are known ({} exits, \
         {} pairs weighed)",
        (built - started) * 1e3,
        an_exit(cold - built),
        an_exit(warm - cold),
        lot.exits.len(),
        decisions.pairs.len()
    );
}

fn read(report: &judging::Report) -> GateRead {
    GateRead {
        plate: report.plate.clone(),
        key: report.key,
        gate: GateId::parse(&report.gate).ok(),
        confidence: None,
        letter_confidences: report.certainty.letters.clone(),
        candidates: report.certainty.candidates.iter().filter_map(|text| Plate::from_read(text).ok()).collect(),
    }
}

fn stays() -> Stays {
    let Ok(folder) = std::env::var("DWELL_STAYS") else { return Stays::made_up() };
    let minute = |text: &str| Timestamp::parse_rfc3339(&format!("{text}:00Z")).map(|time| time.as_millis() / 60_000);
    let mut stays = Vec::new();
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    for file in files {
        for line in std::fs::read_to_string(file).unwrap().lines().skip(1) {
            let Some((arrival, departure)) = line.split_once(',') else { continue };
            if let (Ok(arrival), Ok(departure)) = (minute(arrival), minute(departure)) {
                let of_day = u32::try_from(arrival.rem_euclid(1440)).unwrap();
                stays.extend(u32::try_from(departure - arrival).map(|length| (of_day, length)));
            }
        }
    }
    Stays::real(stays).unwrap()
}

/// Prints how many passages that were read twice leave a ghost, and how many distinct vehicles were merged.
fn ghosts(traffic: &Traffic, lot: &Lot, decisions: &Decisions) {
    let mut visit_of = BTreeMap::new();
    for (number, visit) in traffic.truth.visits.iter().enumerate() {
        let reads = visit.entry.iter().chain(&visit.exit).chain(&visit.re_reads);
        visit_of.extend(reads.map(|id| (*id, number)));
    }
    let entries = lot.entries.iter().filter(|entry| !entry.is_matched).map(|entry| entry.read.key.id);
    let alone: BTreeSet<Uuid> = entries.chain(lot.exits.iter().map(|exit| exit.read.key.id)).collect();
    let ends = |pair: &Pair| [lot.entries[pair.entry].read.key.id, lot.exits[pair.exit].read.key.id];
    let matched: BTreeSet<Uuid> = decisions.matches().flat_map(ends).collect();
    let marked: BTreeMap<Uuid, Uuid> = decisions
        .re_reads
        .iter()
        .filter(|re_read| re_read.stands)
        .map(|re_read| (re_read.read.key.id, re_read.of.key.id))
        .collect();
    let anchors: BTreeSet<&Uuid> = marked.values().collect();
    let is_judged = |id: &Uuid| traffic.truth.visits[visit_of[id]].left >= traffic.truth.judged_from;
    let re_reads: Vec<&Uuid> =
        traffic.truth.visits.iter().flat_map(|visit| &visit.re_reads).filter(|id| is_judged(id)).collect();
    // Marking either read of the passage leaves one.
    let is_ghost = |id: &&&Uuid| {
        alone.contains(**id) && !matched.contains(**id) && !marked.contains_key(**id) && !anchors.contains(**id)
    };
    let merged = marked.iter().filter(|(read, of)| is_judged(read) && visit_of.get(*of) != visit_of.get(*read)).count();
    println!(
        "{} passages read twice, {} leave a ghost; {merged} distinct vehicles merged of {} reads",
        re_reads.len(),
        re_reads.iter().filter(is_ghost).count(),
        traffic.reports.len()
    );
}

/// Seconds of processor time of this thread: the machine may be busy with other things.
fn processor_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|nanos| nanos.parse::<f64>().ok()).unwrap_or_default() / 1e9
}
