//! A second implementation of the definition, slow and plain: no index, no order of work, every assignment one by one.
//! Both have to write the same bytes.
//!
//! The formulas of one weight are shared; which pairs are weighed, when, against which others, and what becomes of it,
//! is not. `lot` has the decisions, `marginals` the posteriors, `exact` the sessions of one plate.

mod lot;
mod marginals;

use std::collections::{BTreeMap, BTreeSet};

use judging::camera::Errors;
use judging::plates::Country;
use judging::{Report, Stays, World};
use parking::session_row::{HEADER_WITH_MISREADS, MisreadColumns, Row, append_row_with_misreads};
use parking::{Direction, EventKey, GateId, LotId, Plate, Reason, Rules, SessionId, State, Timestamp, Vehicle};
use proptest::prelude::*;
use proptest::sample::Index;

use self::lot::{End, NaiveLot, Stay};
use super::learn::{Purpose, learn};
use super::sessions::lot_sessions;
use super::{GateRead, Lot, Models, PlateKey, Weigher, decide};
use crate::Limits;

#[path = "../../tests/it/naive.rs"]
mod exact;

const KEY: PlateKey = PlateKey([7; 16]);

fn exact_stays(reads: &[GateRead], rules: &Rules, lot_time: Timestamp) -> Vec<Stay> {
    let mut events: BTreeMap<Plate, BTreeSet<EventKey>> = BTreeMap::new();
    for read in reads {
        events.entry(read.plate.clone()).or_default().insert(read.key);
    }
    let mut stays = Vec::new();
    for (plate, keys) in events {
        let keys: Vec<EventKey> = keys.into_iter().collect();
        let plain = Stay { entry: None, exit: None, state: State::Open, reason: None, probability: None, doubt: None };
        if rules.is_unread(&plate) {
            stays.extend(keys.iter().map(|key| {
                let end = Some((*key, plate.clone()));
                let unread = Stay { reason: Some(Reason::Unread), ..plain.clone() };
                match key.direction {
                    Direction::Entry => Stay { entry: end, state: State::UnmatchedEntry, ..unread },
                    Direction::Exit => Stay { exit: end, state: State::UnmatchedExit, ..unread },
                }
            }));
            continue;
        }
        let found = exact::sessions(&keys, Limits::of(rules, &LotId::default()), lot_time.as_millis());
        stays.extend(found.into_iter().map(|(entry, exit, state, reason)| {
            let end = |key: Option<EventKey>| key.map(|key| (key, plate.clone()));
            Stay { entry: end(entry), exit: end(exit), state, reason, ..plain.clone() }
        }));
    }
    stays
}

fn row(stay: &Stay) -> (SessionId, String) {
    let (key, plate) = stay.anchor();
    let id = SessionId::of_event(&Vehicle { lot: LotId::default(), plate: plate.clone() }, key);
    let end =
        |end: &Option<End>| end.as_ref().map_or_else(|| ",".to_owned(), |(key, _)| format!("{},{}", key.id, key.time));
    let dwell = stay.entry.as_ref().zip(stay.exit.as_ref());
    #[expect(clippy::cast_precision_loss, reason = "a stay of the test has fewer milliseconds")]
    let dwell = dwell.map_or_else(String::new, |(entry, exit)| {
        format!("{}", exit.0.time.millis_since(entry.0.time) as f64 / 1_000.0)
    });
    let decimal =
        |share: Option<u16>| share.map_or_else(String::new, |share| format!("{:.4}", f64::from(share) / 10_000.0));
    let exit_plate = stay.exit.as_ref().filter(|exit| exit.1 != *plate).map_or("", |exit| exit.1.as_str());
    let method = match (stay.state, stay.probability) {
        (State::Matched, None) => "exact",
        (State::Matched, Some(_)) => "misread",
        _ => "",
    };
    let text = format!(
        "{},{},{plate},{},{},{dwell},{},{},{exit_plate},{method},{},{}\n",
        id.as_uuid(),
        LotId::default(),
        end(&stay.entry),
        end(&stay.exit),
        stay.state.as_str(),
        stay.reason.map_or("", Reason::as_str),
        decimal(stay.probability),
        decimal(stay.doubt),
    );
    (id, text)
}

/// The file of the naive implementation.
fn naive(reads: &[GateRead], rules: &Rules, lot: &Lot, models: &Models) -> String {
    let lot_time = reads.iter().map(|read| read.key.time).max().unwrap();
    let stays = exact_stays(reads, rules, lot_time);
    let limits = Limits::of(rules, &LotId::default());
    let mut naive =
        NaiveLot { stays, lot_time, lot, max_stay_ms: limits.max_stay_ms, weigher: Weigher::new(lot, models) };
    naive.run();
    let mut rows: Vec<(SessionId, String)> = naive.stays.iter().map(row).collect();
    rows.sort();
    HEADER_WITH_MISREADS.to_owned() + &rows.into_iter().map(|(_, text)| text).collect::<String>()
}

fn lot_of(reads: &[GateRead], rules: &Rules) -> Lot {
    Lot::of_reads(reads, Limits::of(rules, &LotId::default()), |plate| rules.is_unread(plate))
}

/// The file of the product.
fn written(reads: &[GateRead], rules: &Rules, models: &Models) -> String {
    let lot = lot_of(reads, rules);
    let decisions = decide(&mut Weigher::new(&lot, models));
    let mut text = HEADER_WITH_MISREADS.as_bytes().to_vec();
    for session in lot_sessions(&LotId::default(), reads, rules, &lot, &decisions) {
        let columns = MisreadColumns {
            exit_plate: session.exit_plate.as_ref().map(Plate::as_str),
            match_probability: session.match_probability,
            doubt: session.doubt,
        };
        append_row_with_misreads(&Row::from(&session.session), &columns, &mut text);
    }
    String::from_utf8(text).unwrap()
}

fn reads(seed: u64) -> Vec<GateRead> {
    let countries = [Country::Britain, Country::Germany, Country::Brazil];
    let world = World {
        seed,
        inside: 12,
        country: countries[usize::try_from(seed).unwrap() % countries.len()],
        days: 3,
        warm_up_days: 1,
        errors: Errors { misread: 0.3, alike: 0.7, cut: 0.1, dirty: false },
        certain: seed % 2 == 1,
        re_read: 0.05,
        lost_entries: 0.2,
        lost_exits: 0.1,
    };
    let read = |report: Report| GateRead {
        candidates: report.certainty.candidates.iter().filter_map(|text| Plate::from_read(text).ok()).collect(),
        letter_confidences: report.certainty.letters,
        gate: GateId::parse(&report.gate).ok(),
        ..GateRead::plain(report.plate, report.key)
    };
    world.traffic(&Stays::made_up()).reports.into_iter().map(read).collect()
}

/// The file by this implementation, and the models that it learned for both.
fn expected(reads: &[GateRead], rules: &Rules) -> (String, Models) {
    let lot = lot_of(reads, rules);
    let purpose =
        Purpose { lot: LotId::default(), valid_from: Timestamp::default(), false_match_target: 0.01, key: KEY };
    let models = Models::new(&LotId::default(), &[learn(&lot, &purpose)], KEY);
    (naive(reads, rules, &lot, &models), models)
}

#[test]
fn both_implementations_agree_on_a_component_that_is_too_large_to_sum() {
    let (mut reads, rules) = (reads(854), Rules::default());
    reads.sort_by_key(|read| read.key);
    reads.truncate(305);
    let (by_this, models) = expected(&reads, &rules);
    assert_eq!(written(&reads, &rules, &models), by_this);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10, ..ProptestConfig::default() })]

    #[test]
    fn both_implementations_write_the_same_bytes_whatever_the_order_and_copies(
        seed in 0_u64..1_000,
        cut in any::<Index>(),
        order in proptest::collection::vec(any::<Index>(), 200),
        copies in proptest::collection::vec(any::<Index>(), 20),
    ) {
        let (mut reads, rules) = (reads(seed), Rules::default());
        // The evidence may end at any moment: then the last day is decided for the first time only.
        reads.sort_by_key(|read| read.key);
        reads.truncate(reads.len() / 2 + cut.index(reads.len() / 2 + 1));
        let (expected, models) = expected(&reads, &rules);
        prop_assume!(expected.contains(",misread,"));
        reads.extend(copies.iter().map(|copy| copy.get(&reads).clone()).collect::<Vec<_>>());
        for (place, other) in order.iter().enumerate() {
            let (place, other) = (place % reads.len(), other.index(reads.len()));
            reads.swap(place, other);
        }
        prop_assert_eq!(written(&reads, &rules, &models), expected);
    }
}
