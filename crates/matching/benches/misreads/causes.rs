//! Why exits lack their own entry, counted by cause: where the method could still be better, and where it cannot.

use std::collections::BTreeMap;

use judging::Traffic;
use matching::misread::{Decisions, Lot, Pair, edits};
use uuid::Uuid;

/// Counts the judged exits that are not matched with their seen entry, by cause.
pub(crate) fn causes(traffic: &Traffic, lot: &Lot, decisions: &Decisions) -> BTreeMap<String, u32> {
    let entries: BTreeMap<Uuid, usize> = (0..lot.entries.len()).map(|at| (lot.entries[at].read.key.id, at)).collect();
    let exits: BTreeMap<Uuid, usize> = (0..lot.exits.len()).map(|at| (lot.exits[at].read.key.id, at)).collect();
    let exact: BTreeMap<Uuid, Uuid> = lot.exact.iter().map(|pair| (pair.exit.key.id, pair.entry.key.id)).collect();
    let mut counts = BTreeMap::new();
    for visit in traffic.truth.visits.iter().filter(|visit| visit.left >= traffic.truth.judged_from) {
        let (Some(entry), Some(exit)) = (visit.entry, visit.exit) else { continue };
        let cause = match (exact.get(&exit), entries.get(&entry), exits.get(&exit)) {
            (Some(own), ..) if *own == entry => continue,
            (Some(_), ..) => "an exact match has the exit".to_owned(),
            (None, None, _) => "an exact match has the entry, or it is a re-read".to_owned(),
            (None, Some(_), None) => "the exit is a re-read".to_owned(),
            (None, Some(entry), Some(_)) if lot.entries[*entry].is_matched => "an exact match has the entry".to_owned(),
            (None, Some(entry), Some(exit)) => match of_pair(lot, decisions, *entry, *exit) {
                Some(cause) => cause,
                None => continue,
            },
        };
        *counts.entry(cause).or_default() += 1;
    }
    counts
}

/// Why a true pair does not stand; `None` when it does.
fn of_pair(lot: &Lot, decisions: &Decisions, entry: usize, exit: usize) -> Option<String> {
    let (entry_read, exit_read) = (&lot.entries[entry], &lot.exits[exit]);
    let edits = edits::cost(&entry_read.read.letters, &exit_read.read.letters)
        .map_or_else(|| "too many edits".to_owned(), |cost| format!("edits of cost {cost}"));
    let first = decisions.pairs.partition_point(|pair| pair.exit < exit);
    let mut own = decisions.pairs[first..].iter().take_while(|pair| pair.exit == exit);
    let Some(pair) = own.find(|pair| pair.entry == entry) else {
        let is_excluded = entry_read.next.is_some_and(|next| next < exit_read.read.time())
            || exit_read.gone_at.is_some_and(|gone| gone >= entry_read.read.time());
        return Some(if is_excluded {
            "a read between the two excludes it".to_owned()
        } else {
            format!("not weighed, {edits}")
        });
    };
    if pair.stands {
        return None;
    }
    let is_rival = |other: &&Pair| (other.entry == entry) != (other.exit == exit);
    let rival = decisions.pairs.iter().filter(is_rival).map(|other| other.posterior).max().unwrap_or_default();
    let kind =
        if rival > pair.posterior { "another one is likelier" } else { "no entry is likelier, or it is near tau" };
    Some(format!("{kind}, {edits}, posterior {}", pair.posterior / 2_000 * 2_000))
}
