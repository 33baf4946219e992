//! The decisions on one lot, pair by pair and assignment by assignment.

use std::collections::BTreeSet;

use parking::{Direction, EventKey, Plate, Reason, State, Timestamp};

use super::marginals::{Pair, components, marginals};
use crate::misread::decide::{DOUBT_ABOVE, in_ten_thousandths};
use crate::misread::edits::{NEAR_MAX, cost};
use crate::misread::letters::{ALPHABET, Letters, symbol};
use crate::misread::marginal::Marginal;
use crate::misread::re_reads::weight;
use crate::misread::reads::Read;
use crate::misread::weigh::stay_factors;
use crate::misread::{Lot, Weigher};

const SECOND: i64 = 1_000;
const DAY: i64 = 24 * 3_600 * SECOND;
/// A read with its plate.
pub(super) type End = (EventKey, Plate);

/// A row of the naive file, before it is text.
#[derive(Debug, Clone)]
pub(super) struct Stay {
    pub entry: Option<End>,
    pub exit: Option<End>,
    pub state: State,
    pub reason: Option<Reason>,
    pub probability: Option<u16>,
    pub doubt: Option<u16>,
}

impl Stay {
    pub(super) fn anchor(&self) -> &End {
        self.entry.as_ref().or(self.exit.as_ref()).expect("a session has an end")
    }
}

/// The stays of one lot, and the formulas over them.
pub(super) struct NaiveLot<'a> {
    pub stays: Vec<Stay>,
    pub lot_time: Timestamp,
    pub lot: &'a Lot,
    pub max_stay_ms: i64,
    pub weigher: Weigher<'a>,
}

impl NaiveLot<'_> {
    /// The stays with an exit alone, in the order of events.
    fn exits(&self) -> Vec<usize> {
        let alone = |stay: &Stay| stay.entry.is_none() && stay.reason != Some(Reason::Unread);
        self.in_order(alone)
    }

    /// The stays with an entry, in the order of events; those of exact matches too.
    fn entries(&self) -> Vec<usize> {
        self.in_order(|stay| stay.entry.is_some() && stay.reason != Some(Reason::Unread))
    }

    fn in_order(&self, is_wanted: impl Fn(&Stay) -> bool) -> Vec<usize> {
        let mut places: Vec<usize> = (0..self.stays.len()).filter(|place| is_wanted(&self.stays[*place])).collect();
        places.sort_by_key(|place| {
            let (key, plate) = self.stays[*place].anchor();
            (*key, Letters::of(plate))
        });
        places
    }

    fn is_settled(&self, exit: usize) -> bool {
        self.stays[exit].anchor().0.time.as_millis() + DAY <= self.lot_time.as_millis()
    }

    fn decided_at(&self, read: Timestamp) -> Timestamp {
        let (read, lot) = (read.as_millis(), self.lot_time.as_millis());
        Timestamp::from_millis(if read + DAY <= lot { read + DAY } else { (read + 30 * SECOND).min(lot) })
    }

    /// When the plate of this stay was seen next.
    fn next(&self, place: usize) -> Option<Timestamp> {
        let stay = &self.stays[place];
        let own = stay.anchor();
        let later =
            |other: &Stay| (other.anchor().1 == own.1 && other.anchor().0 > own.0).then(|| other.anchor().0.time);
        stay.exit.as_ref().map(|exit| exit.0.time).or_else(|| self.stays.iter().filter_map(later).min())
    }

    fn may_be(&self, entry: usize, exit: usize, now: Timestamp) -> bool {
        let ((entered, entry_plate), (left, exit_plate)) = (self.stays[entry].anchor(), self.stays[exit].anchor());
        let is_in_time = entered.time < left.time && left.time.millis_since(entered.time) <= self.max_stay_ms;
        let is_exact = self.stays[entry].exit.is_some();
        let is_still_inside = self.next(entry).is_none_or(|next| if is_exact { next > now } else { next > left.time });
        let was_gone = |other: &Stay| {
            let exit = other.exit.as_ref().filter(|exit| exit.1 == *exit_plate && exit.0 < *left);
            exit.is_some_and(|exit| exit.0.time >= entered.time)
        };
        is_in_time
            && is_still_inside
            && !self.stays.iter().any(was_gone)
            && may_be_one_plate(&Letters::of(entry_plate), &Letters::of(exit_plate))
    }

    /// Where the entry of a stay is in the lot.
    fn slot(&self, stay: usize) -> usize {
        let (key, plate) = self.stays[stay].anchor();
        let is_it = |read: &Read| read.key == *key && read.letters == Letters::of(plate);
        self.lot.entries.iter().position(|entry| is_it(&entry.read)).expect("a candidate is in the lot")
    }

    fn exit_slot(&self, stay: usize) -> usize {
        let (key, plate) = self.stays[stay].anchor();
        let is_it = |read: &Read| read.key == *key && read.letters == Letters::of(plate);
        self.lot.exits.iter().position(|exit| is_it(&exit.read)).expect("an exit without an entry is in the lot")
    }

    /// What the other passages of a minute say of a lone read: the weight of repeating one of them.
    fn ghost(&self, place: usize) -> f64 {
        let (key, _) = self.stays[place].anchor();
        let (read, unseen) = match key.direction {
            Direction::Entry => {
                let entry = &self.lot.entries[self.slot(place)];
                let now = self.decided_at(key.time);
                let model = self.weigher.model_at(key.time);
                (&entry.read, stay_factors(model, entry, now, now).1)
            }
            Direction::Exit => {
                (&self.lot.exits[self.exit_slot(place)].read, self.weigher.model_at(key.time).lone_exits)
            }
        };
        let lone = self.lot.entries.iter().filter(|entry| !entry.is_matched).map(|entry| &entry.read);
        let lone = lone.chain(self.lot.exits.iter().map(|exit| &exit.read)).map(|read| (read, true));
        let exact = self.lot.exact.iter().flat_map(|exact| [(&exact.entry, false), (&exact.exit, false)]);
        let mut others: Vec<(&Read, bool)> = lone.chain(exact).collect();
        others.sort_by_key(|(read, _)| (read.key, read.letters));
        let is_near = |other: &Read| {
            other.key.direction == key.direction
                && other.time().millis_since(key.time).abs() <= 60 * SECOND
                && (other.gate == read.gate || other.gate == 0 || read.gate == 0)
                && cost(&other.letters, &read.letters).is_some_and(|cost| cost > 0)
        };
        let near = others.into_iter().filter(|(other, _)| is_near(other));
        near.map(|(other, is_lone)| weight(&self.weigher, read, other, is_lone, unseen)).sum()
    }

    /// All pairs of the exits of one kind of decision.
    fn pairs(&mut self, settled: bool, taken: &BTreeSet<usize>) -> Vec<Pair> {
        let mut pairs = Vec::new();
        for exit in self.exits().into_iter().filter(|exit| self.is_settled(*exit) == settled).collect::<Vec<_>>() {
            let now = self.decided_at(self.stays[exit].anchor().0.time);
            let lot = self.lot;
            let shown = &lot.exits[self.exit_slot(exit)];
            for entry in self.entries() {
                if taken.contains(&entry) || !self.may_be(entry, exit, now) {
                    continue;
                }
                let slot = u32::try_from(self.slot(entry)).unwrap();
                let Some(factors) = self.weigher.weigh(slot, shown, &mut Marginal::default(), now) else { continue };
                let model = self.weigher.model_at(shown.read.time());
                let is_exact = self.stays[entry].exit.is_some();
                let of_entry = if is_exact { 0.0 } else { self.ghost(entry) };
                let free = (1.0 + self.ghost(exit)) * (1.0 + of_entry);
                pairs.push(Pair { entry, exit, weight: factors.weight(model.lost_exits) / free, probability: 0.0 });
            }
        }
        pairs
    }

    fn tau(&self, pair: &Pair) -> u16 {
        self.weigher.model_at(self.stays[pair.exit].anchor().0.time).tau
    }

    fn is_match(&self, pair: &Pair) -> bool {
        in_ten_thousandths(pair.probability) >= self.tau(pair)
    }

    /// Decides the pairs of one component, again and again until no match has an entry that an exact match has.
    fn decide(&self, mut component: Vec<Pair>) -> Vec<Pair> {
        let mut void = Vec::new();
        loop {
            marginals(&mut component);
            let is_void = |pair: &Pair| self.is_match(pair) && self.stays[pair.entry].exit.is_some();
            let entries: BTreeSet<usize> =
                component.iter().filter(|pair| is_void(pair)).map(|pair| pair.entry).collect();
            if entries.is_empty() {
                component.extend(void);
                return component;
            }
            let (lost, rest): (Vec<Pair>, Vec<Pair>) =
                component.into_iter().partition(|pair| entries.contains(&pair.entry));
            void.extend(lost.into_iter().map(|pair| Pair { probability: 0.0, ..pair }));
            component = rest;
        }
    }

    /// Makes the stays of the lot from those of each plate.
    pub(super) fn run(&mut self) {
        let mut decided: Vec<Pair> = Vec::new();
        let mut taken = BTreeSet::new();
        for settled in [true, false] {
            let pairs = self.pairs(settled, &taken);
            let own: Vec<Pair> = components(pairs).into_iter().flat_map(|component| self.decide(component)).collect();
            taken.extend(own.iter().filter(|pair| self.is_match(pair)).map(|pair| pair.entry));
            decided.extend(own);
        }
        let mut gone = BTreeSet::new();
        for place in self.in_order(|stay| stay.state != State::Matched && stay.reason != Some(Reason::Unread)) {
            let mut own: Vec<&Pair> = decided.iter().filter(|pair| pair.entry == place || pair.exit == place).collect();
            own.sort_by_key(|pair| (self.exit_slot(pair.exit), self.slot(pair.entry)));
            let paired: f64 = own.iter().map(|pair| pair.probability).sum();
            let ghost = self.ghost(place);
            let chance = in_ten_thousandths((1.0 - paired).max(0.0) * ghost / (1.0 + ghost));
            let tau = self.weigher.model_at(self.stays[place].anchor().0.time).tau;
            if ghost > 0.0 && chance >= tau {
                gone.insert(place);
            }
        }
        for pair in decided.iter().filter(|pair| self.is_match(pair)).cloned().collect::<Vec<_>>() {
            let exit = self.stays[pair.exit].exit.clone();
            let stay = &mut self.stays[pair.entry];
            (stay.exit, stay.state, stay.reason) = (exit, State::Matched, None);
            stay.probability = Some(in_ten_thousandths(pair.probability));
            gone.insert(pair.exit);
            gone.remove(&pair.entry);
        }
        for exact in &self.lot.exact {
            let doubt = in_ten_thousandths(self.weigher.double_dip(exact));
            let own = |stay: &&mut Stay| {
                stay.anchor().0 == exact.entry.key && Letters::of(&stay.anchor().1) == exact.entry.letters
            };
            if let Some(stay) = self.stays.iter_mut().find(own).filter(|_| doubt > DOUBT_ABOVE) {
                stay.doubt = Some(doubt);
            }
        }
        let mut place = 0;
        self.stays.retain(|_| {
            place += 1;
            !gone.contains(&(place - 1))
        });
    }
}

/// Whether the filter takes two plates for one: near, and a common rest after at most two deletions in each skeleton.
fn may_be_one_plate(one: &Letters, other: &Letters) -> bool {
    cost(one, other).is_some_and(|cost| cost > 0 && cost <= NEAR_MAX) && !rests(one).is_disjoint(&rests(other))
}

fn rests(plate: &Letters) -> BTreeSet<Vec<u8>> {
    let mut rests =
        BTreeSet::from([plate.codes().iter().map(|code| ALPHABET.class[symbol(*code)]).collect::<Vec<u8>>()]);
    for _ in 0..2 {
        let shorter = |text: &Vec<u8>| {
            let without = |at: usize| [&text[..at], &text[at + 1..]].concat();
            (0..text.len()).map(without).collect::<Vec<_>>()
        };
        rests.extend(rests.iter().flat_map(shorter).collect::<Vec<_>>());
    }
    rests
}
