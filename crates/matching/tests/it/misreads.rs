//! Misread matches are a pure function of the set of evidence: any order, any copies, the same decisions.

use judging::camera::Errors;
use judging::plates::Country;
use judging::{Stays, World};
use matching::Limits;
use matching::misread::{Decisions, GateRead, Lot, ModelRecord, Models, PlateKey, Purpose, Weigher, decide, learn};
use parking::{GateId, LotId, Plate, Rules, Timestamp};
use proptest::prelude::*;
use proptest::sample::Index;

const KEY: PlateKey = PlateKey([7; 16]);

fn reads(seed: u64, inside: u32, re_read: f64) -> Vec<GateRead> {
    let errors = Errors { misread: 0.2, alike: 0.7, cut: 0.2, dirty: false };
    let world = World {
        seed,
        inside,
        country: Country::Germany,
        days: 3,
        warm_up_days: 1,
        errors,
        certain: seed % 2 == 1,
        re_read,
        lost_entries: 0.2,
        lost_exits: 0.05,
    };
    let candidate = |text: &String| Plate::from_read(text).ok();
    let read = |report: judging::Report| GateRead {
        candidates: report.certainty.candidates.iter().filter_map(candidate).collect(),
        letter_confidences: report.certainty.letters,
        gate: GateId::parse(&report.gate).ok(),
        ..GateRead::plain(report.plate, report.key)
    };
    world.traffic(&Stays::made_up()).reports.into_iter().map(read).collect()
}

fn lot_of(reads: &[GateRead]) -> Lot {
    let rules = Rules::default();
    Lot::of_reads(reads, Limits::of(&rules, &LotId::default()), |plate| rules.is_unread(plate))
}

fn learned(lot: &Lot) -> ModelRecord {
    let valid_from = Timestamp::from_millis(0);
    learn(lot, &Purpose { lot: LotId::default(), valid_from, false_match_target: 0.01, key: KEY })
}

fn decided(lot: &Lot, records: &[ModelRecord]) -> Decisions {
    decide(&mut Weigher::new(lot, &Models::new(&LotId::default(), records, KEY)))
}

#[test]
fn misread_plates_find_their_entries() {
    let lot = lot_of(&reads(1, 60, 0.0));
    let decisions = decided(&lot, &[learned(&lot)]);
    assert!(decisions.matches().count() * 3 > lot.exits.len(), "a third of the unmatched exits is misread at one end");
}

#[test]
fn no_end_is_given_away_twice_and_none_of_an_exact_match() {
    let lot = lot_of(&reads(2, 60, 0.03));
    let decisions = decided(&lot, &[learned(&lot)]);
    let mut ends: Vec<_> = decisions.matches().flat_map(|pair| [(0, pair.entry), (1, pair.exit)]).collect();
    let count = ends.len();
    ends.sort_unstable();
    ends.dedup();
    assert_eq!(ends.len(), count);
    assert!(decisions.matches().all(|pair| !lot.entries[pair.entry].is_matched && pair.posterior > 5_000));
    let mut revised = decisions.pairs.iter().filter(|pair| lot.entries[pair.entry].is_matched);
    assert!(revised.all(|pair| pair.posterior < 8_000), "an entry that an exact match took back has no probable exit");
}

#[test]
fn a_passage_that_was_read_twice_leaves_no_ghost() {
    let lot = lot_of(&reads(4, 100, 0.05));
    let decisions = decided(&lot, &[learned(&lot)]);
    assert!(decisions.re_reads.iter().filter(|re_read| re_read.stands).count() > 20);
}

#[test]
fn the_model_never_changes_from_release_to_release_or_machine_to_machine() {
    let model = learned(&lot_of(&reads(3, 40, 0.0)));
    assert_eq!(format!("{:032x}", model.digest), "8d72607dbd2265cf31e9abd1add1610f");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn order_and_copies_of_reads_change_nothing(
        seed in 0_u64..50,
        order in proptest::collection::vec(any::<Index>(), 400),
        copies in proptest::collection::vec(any::<Index>(), 20),
    ) {
        let reads = reads(seed, 10, 0.02);
        let mut shuffled = reads.clone();
        shuffled.extend(copies.iter().map(|copy| copy.get(&reads).clone()));
        for (place, other) in order.iter().enumerate() {
            let place = place % shuffled.len();
            let other = other.index(shuffled.len());
            shuffled.swap(place, other);
        }
        let (lot, again) = (lot_of(&reads), lot_of(&shuffled));
        let (model, other) = (learned(&lot), learned(&again));
        prop_assert_eq!(model.digest, other.digest);
        let start = ModelRecord::start(LotId::default());
        prop_assert_eq!(decided(&lot, &[model, start.clone()]), decided(&again, &[start, other]));
    }
}
