//! A replay with misread matches changes no exact match, uses every event once, and does not depend on the order of
//! files.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use event_files::Observer;
use event_files::session_file::HEADER_WITH_MISREADS;
use judging::camera::Errors;
use judging::plates::Country;
use judging::{Decided, Report, Stays, Traffic, World};
use parking::wire::write_event_with;
use parking::{Candidate, Certainty, GateEvent, GateId, LotId, Plate, Rules, Vehicle};

use crate::Replay;

#[derive(Debug)]
struct Silent;

impl Observer for Silent {
    fn advance(&self, _: u64) {}
    fn show(&self, _: &str) {}
    fn say(&self, _: &str) {}
}

/// A day of traffic, every fifth read wrong, of cameras that rate each character.
fn traffic() -> Traffic {
    let world = World {
        seed: 3,
        inside: 40,
        country: Country::Britain,
        days: 2,
        warm_up_days: 1,
        errors: Errors { misread: 0.2, alike: 0.7, cut: 0.1, dirty: false },
        certain: true,
        re_read: 0.02,
        lost_entries: 0.1,
        lost_exits: 0.05,
    };
    world.traffic(&Stays::made_up())
}

/// The events as lines of JSON, with or without what the cameras say of their certainty.
fn lines(traffic: &Traffic, with_certainty: bool) -> Vec<String> {
    let line = |report: &Report| {
        let lot = LotId::parse("P1").unwrap();
        let event = GateEvent {
            vehicle: Vehicle { lot, plate: report.plate.clone() },
            key: report.key,
            plate_as_read: report.plate.as_str().into(),
            gate: GateId::parse(&report.gate).ok(),
            confidence: None,
        };
        let candidate = |text: &String| Plate::named(text).ok().map(|plate| Candidate { plate, confidence: None });
        let certainty = Certainty {
            characters: report.certainty.letters.clone(),
            candidates: report.certainty.candidates.iter().filter_map(candidate).collect(),
        };
        let mut line = Vec::new();
        write_event_with(&event, with_certainty.then_some(&certainty), None, &mut line);
        String::from_utf8(line).unwrap()
    };
    traffic.reports.iter().map(line).collect()
}

/// The rows of the session file, without the header.
fn replayed(folder: &Path, lines: &[String], misreads: bool) -> Vec<String> {
    let (events, sessions) = (folder.join("events.ndjson"), folder.join("sessions.csv"));
    fs::write(&events, lines.join("\n")).unwrap();
    let replay = Replay {
        files: vec![events],
        sessions: sessions.clone(),
        refused: None,
        rules: Rules::default(),
        misreads,
        reasons: misreads.then(|| folder.join("reasons.csv")),
    };
    let observer: Arc<dyn Observer> = Arc::new(Silent);
    let outcome = replay.run(&observer, &AtomicBool::new(false)).unwrap();
    assert_eq!(outcome.tally.events(), lines.len() as u64, "every event is counted");
    fs::read_to_string(&sessions).unwrap().lines().skip(1).map(str::to_owned).collect()
}

#[test]
fn misread_matches_leave_exact_matches_alone_and_use_no_event_twice() {
    let (folder, lines) = (tempfile::tempdir().unwrap(), lines(&traffic(), false));
    let exact = replayed(folder.path(), &lines, false);
    let with_misreads = replayed(folder.path(), &lines, true);

    let by_id: BTreeMap<&str, &String> =
        with_misreads.iter().map(|row| (row.split(',').next().unwrap(), row)).collect();
    for row in exact.iter().filter(|row| row.contains(",matched,")) {
        let other = by_id[row.split(',').next().unwrap()];
        assert!(other.starts_with(row.as_str()), "{row} became {other}");
    }
    let is_misread = |row: &&String| row.split(',').nth(12).is_some_and(|probability| !probability.is_empty());
    let misread: Vec<&String> = with_misreads.iter().filter(is_misread).collect();
    let exits_alone = exact.iter().filter(|row| row.contains(",unmatched_exit,")).count();
    assert!(misread.len() * 3 > exits_alone, "{} of {exits_alone}", misread.len());
    for row in misread {
        let fields: Vec<&str> = row.split(',').collect();
        assert!(fields[8] == "matched" && fields[2] != fields[10] && fields[12] >= "0.8000", "{row}");
    }
    let mut events: Vec<&str> =
        with_misreads.iter().flat_map(|row| [3, 5].map(|at| row.split(',').nth(at).unwrap())).collect();
    events.retain(|id| !id.is_empty());
    let count = events.len();
    events.sort_unstable();
    events.dedup();
    assert_eq!(events.len(), count);
}

#[test]
fn the_order_of_events_and_their_copies_change_no_byte() {
    let (folder, mut lines) = (tempfile::tempdir().unwrap(), lines(&traffic(), true));
    let in_order = replayed(folder.path(), &lines, true);
    lines.reverse();
    lines.extend(lines[..20].to_vec());
    assert_eq!(replayed(folder.path(), &lines, true), in_order);
}

#[test]
fn confidences_of_characters_and_candidates_find_more_entries() {
    let (folder, traffic) = (tempfile::tempdir().unwrap(), traffic());
    let [without, with] = [false, true].map(|with_certainty| {
        let rows = replayed(folder.path(), &lines(&traffic, with_certainty), true);
        let file = [HEADER_WITH_MISREADS.trim_end(), &rows.join("\n")].join("\n");
        let mut decided = Decided::default();
        decided.read(file.as_bytes()).unwrap();
        judging::score(&traffic.truth, &decided.pairs)
    });
    assert!(with.found > without.found, "{with:?} {without:?}");
}

#[test]
fn each_misread_match_has_its_reasons() {
    let (folder, lines) = (tempfile::tempdir().unwrap(), lines(&traffic(), true));
    let rows = replayed(folder.path(), &lines, true);
    let reasons = fs::read_to_string(folder.path().join("reasons.csv")).unwrap();
    let column = |row: &str, at: usize| row.split(',').nth(at).unwrap().to_owned();
    // Exit, its plate, entry, its plate, probability.
    let matched: Vec<_> = rows.iter().filter(|row| column(row, 11) == "misread").collect();
    let mut expected: Vec<_> = matched.iter().map(|row| [5, 10, 3, 2, 12].map(|at| column(row, at))).collect();
    let given: Vec<&str> = reasons.lines().skip(1).filter(|row| column(row, 8) == "matched").collect();
    let mut explained: Vec<_> = given.iter().map(|row| [1, 3, 4, 6, 7].map(|at| column(row, at))).collect();
    expected.sort();
    explained.sort();
    assert!(!expected.is_empty());
    assert_eq!(explained, expected);
    let is_uncertain =
        |row: &&str| column(row, 8) == "uncertain" && ("0.2000".."0.8000").contains(&&column(row, 7)[..]);
    assert_eq!(reasons.lines().skip(1).filter(is_uncertain).count() + given.len(), reasons.lines().count() - 1);
    assert!(given.iter().all(|row| row.contains("The plate most likely is ")), "{reasons}");
}
