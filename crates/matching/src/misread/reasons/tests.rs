//! The reasons agree with the decisions, from both ends, and say in words what was decided.

use parking::{Direction, EventKey, GateId, LotId, Plate, Rules, Timestamp};
use uuid::Uuid;

use super::*;
use crate::Limits;
use crate::misread::{Lot, ModelRecord, Models, PlateKey, decide};

fn read(plate: &str, gate: &str, minute: i64, direction: Direction) -> GateRead {
    let id = Uuid::from_u128(u128::from(minute.unsigned_abs()) + 1);
    let key = EventKey { time: Timestamp::from_millis(minute * 60_000), direction, id };
    GateRead { gate: GateId::parse(gate).ok(), ..GateRead::plain(Plate::from_read(plate).unwrap(), key) }
}

/// A lot in which one exit is misread, one nearly so, and one is a stranger's; and much later a last read.
fn reads() -> Vec<GateRead> {
    let (entry, exit) = (Direction::Entry, Direction::Exit);
    vec![
        read("AB12CDE", "in-1", 0, entry),
        read("KX77RTY", "in-1", 30, entry),
        read("A812CDE", "out-1", 107, exit),
        read("ZZ99ZZZ", "out-1", 120, exit),
        read("QQ11QQQ", "in-1", 5_000, entry),
    ]
}

fn with_reasons(reads: &[GateRead], check: impl Fn(&Lot, &Decisions, &Reasoner<'_>)) {
    let (rules, lot_id) = (Rules::default(), LotId::default());
    let lot = Lot::of_reads(reads, Limits::of(&rules, &lot_id), |plate| rules.is_unread(plate));
    let models = Models::new(&lot_id, &[ModelRecord::start(lot_id.clone())], PlateKey::default());
    let mut weigher = Weigher::new(&lot, &models);
    let decisions = decide(&mut weigher);
    check(&lot, &decisions, &Reasoner::new(&weigher, &decisions, reads));
}

fn told(reasons: &Reasons) -> String {
    reasons.text(&|time: Timestamp| format!("minute {}", time.as_millis() / 60_000))
}

#[test]
fn a_match_is_explained_from_both_ends() {
    with_reasons(&reads(), |lot, decisions, reasoner| {
        let pair = decisions.matches().next().expect("one exit is misread");
        let [of_exit, of_entry] = [reasoner.exit(pair.exit), reasoner.entry(pair.entry)];
        let [exit, entry] = [&of_exit.candidates[0], &of_entry.candidates[0]];
        assert_eq!((of_exit.read.plate.as_str(), exit.other.plate.as_str()), ("A812CDE", "AB12CDE"));
        assert_eq!((&exit.other, &entry.other), (&of_entry.read, &of_exit.read));
        let same = |candidate: &Candidate| Candidate { other: of_exit.read.clone(), ..candidate.clone() };
        assert_eq!(same(exit), same(entry));
        assert!(exit.stands && exit.is_final && exit.posterior == pair.posterior && exit.posterior >= exit.tau);
        assert!(10_000 - exit.posterior - of_exit.none <= 1, "{of_exit:?}");
        assert_eq!(lot.exits.len(), 2);
    });
}

#[test]
fn a_match_is_told_with_both_reads_the_error_each_factor_and_the_model() {
    with_reasons(&reads(), |_, decisions, reasoner| {
        let reasons = reasoner.exit(decisions.matches().next().unwrap().exit);
        let (text, best) = (told(&reasons), &reasons.candidates[0]);
        let (probability, model) = (f64::from(best.posterior) / 10_000.0, best.model);
        let begin = format!(
            "This exit, read as A812CDE, belongs to the entry of minute 0 at in-1, read as AB12CDE, 1 h 47 min away, with a \
             probability of {probability:.4}; at least 0.8000 is needed. The plate most likely is "
        );
        assert!(text.starts_with(&begin), "{text}");
        assert!(text.contains("read for") && text.contains(" at place 2. The two reads are "), "{text}");
        for factor in
            ["as likely of one vehicle", "A stay ends in just this second", "missed or still to come", "Two stays of"]
        {
            assert!(text.contains(factor), "{factor}: {text}");
        }
        let end = format!(
            "No other entry is possible. The probability that none of them belongs to this exit is {:.4}. It was \
             decided as of minute 1547 by the rule misread-1 and the model {model}: the last decision.",
            f64::from(reasons.none) / 10_000.0
        );
        assert!(text.ends_with(&end), "{text}");
    });
}

#[test]
fn the_lack_of_a_match_is_told_too() {
    with_reasons(&reads(), |lot, _, reasoner| {
        let stranger = lot.exits.iter().position(|exit| exit.read.letters.codes()[0] == 35).unwrap();
        assert_eq!(told(&reasoner.exit(stranger)), "No entry with a similar plate is possible.");
    });
    let (entry, exit) = (Direction::Entry, Direction::Exit);
    let reads = [
        read("ABB8CDE", "in-1", 0, entry),
        read("AB8BCDE", "in-1", 5, entry),
        read("AB88CDE", "out-1", 107, exit),
        read("QQ11QQQ", "in-1", 5_000, entry),
    ];
    with_reasons(&reads, |_, decisions, reasoner| {
        assert!(decisions.matches().next().is_none(), "two entries are as likely: {decisions:?}");
        let text = told(&reasoner.exit(0));
        let begin = "No entry belongs to this exit, read as AB88CDE, with the probability of 0.8000 that is needed; the likeliest is \
                     the entry of minute ";
        assert!(text.starts_with(begin), "{text}");
        assert!(text.contains("The second most likely is the entry of minute "), "{text}");
    });
}

#[test]
fn a_second_read_of_a_passage_names_the_first_one() {
    let mut reads = reads();
    reads.push(GateRead {
        key: EventKey { time: Timestamp::from_millis(3_000), id: Uuid::from_u128(77), ..reads[0].key },
        ..read("AB12C0E", "in-1", 0, Direction::Entry)
    });
    with_reasons(&reads, |lot, decisions, reasoner| {
        let repeat = decisions.re_reads.iter().find(|re_read| re_read.stands).expect("one read is a second one");
        let entry = lot.entries.iter().position(|entry| entry.read == repeat.read).unwrap();
        let text = told(&reasoner.entry(entry));
        assert!(text.starts_with("This entry, read as AB12C"), "{text}");
        assert!(text.contains("counts as a second read of the entry of minute 0 at in-1, read as AB12C"), "{text}");
    });
}
