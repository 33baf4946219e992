//! The weight of a pair, against "the exit has no entry, and the entry's exit was not seen":
//!
//! ```text
//! W = f(d | hour of entry) (1 - l) LR / (U_e lambda(t_x) (1 + dip))
//! ```
//!
//! LR is `J / (m(r_e) (m(r_x) + what a fleet that the entry is of adds))`. `U_e = S + (1 - S) l` at the time of the
//! decision: still inside, or gone unseen; for an entry whose vehicle entered again it is `l`, and f is divided by the
//! share of stays that were over by then. `lambda` is nu times the exits a second at this hour. `dip = l nu (b + n/T)
//! LR / (U_e lambda)`: the same vehicle in two stays, of which each lost an end.

use parking::Timestamp;

use super::edits;
use super::index::{Index, Seen as SeenSlots};
use super::letters::Letters;
use super::likelihood::Seen;
use super::marginal::Marginal;
use super::model::{Model, Models};
use super::number::seconds;
use super::reads::{Entry, Exact, Exit, Lot, Read};

/// Pairs of less weight are left out.
pub const WEIGHT_MIN: f64 = 1e-4;

/// What a weight is made of: for people, who ask why.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Factors {
    /// How much likelier the two reads are of one vehicle than of two.
    pub likelihood_ratio: f64,
    /// f(d): how likely a stay ends in just this second.
    pub stay: f64,
    /// U: the chance that the entry's exit was not seen by the time of the decision.
    pub unseen: f64,
    /// lambda: exits without an entry, a second.
    pub lone_exits: f64,
    /// The chance of two stays of the same vehicle, against that of two vehicles.
    pub dip: f64,
}

impl Factors {
    /// W.
    pub fn weight(&self, lost_exits: f64) -> f64 {
        self.stay * (1.0 - lost_exits) * self.likelihood_ratio / (self.unseen * self.lone_exits * (1.0 + self.dip))
    }
}

/// Weighs the pairs of one lot.
#[derive(Debug)]
pub struct Weigher<'a> {
    lot: &'a Lot,
    models: &'a Models,
    index: Index,
    /// The plates of the entries, apart from all else: the filter looks at many that are far.
    plates: Vec<Letters>,
    seen: SeenSlots,
    /// The marginal of each entry by each model.
    marginals: Vec<Vec<Marginal>>,
}

impl<'a> Weigher<'a> {
    /// A weigher with all entries of the lot in its index.
    pub fn new(lot: &'a Lot, models: &'a Models) -> Self {
        let plates: Vec<Letters> = lot.entries.iter().map(|entry| entry.read.letters).collect();
        let index = Index::of_plates(&plates);
        let marginals = vec![vec![Marginal::default(); lot.entries.len()]; models.all().len()];
        Self { lot, models, index, plates, seen: SeenSlots::default(), marginals }
    }

    /// The entries that may be that exit's, in order, by what is known at `now`: near plates, and nothing that excludes
    /// them. No read has the exit's own plate: the exact step has dealt with those.
    pub fn candidates(&mut self, exit: &Exit, now: Timestamp) -> Vec<u32> {
        let (lot, plate) = (self.lot, &exit.read.letters);
        let mut found = Vec::new();
        let plates = &self.plates;
        self.index.for_each_candidate(plate, &mut self.seen, |slot| {
            if is_near(&plates[slot as usize], plate) {
                found.push(slot);
            }
        });
        found.retain(|slot| may_be(&lot.entries[*slot as usize], exit, now, lot.max_stay_ms));
        found.sort_unstable();
        found
    }

    /// What the weight of an entry and an exit is made of, decided at `now`; `None` when it is below [`WEIGHT_MIN`].
    pub fn weigh(&mut self, slot: u32, exit: &Exit, exit_marginal: &mut Marginal, now: Timestamp) -> Option<Factors> {
        let place = self.models.at(exit.read.time());
        let model = &self.models.all()[place];
        let entry = &self.lot.entries[slot as usize];
        let seen = [&entry.read, &exit.read].map(|read| self.seen_by(model, read));
        weigh(model, entry, seen, [&mut self.marginals[place][slot as usize], exit_marginal], now)
    }

    /// The chance that an exact match is two stays of its vehicle, whose inner ends were both lost.
    pub fn double_dip(&self, exact: &Exact) -> f64 {
        let model = &self.models.all()[self.models.at(exact.exit.time())];
        let visits = model.prior.of(&exact.entry.letters).visits;
        let stay = seconds(exact.exit.time().millis_since(exact.entry.time()));
        // Its own stay is one of the visits.
        let again = model.lost_exits * model.lone_exits * model.returns(visits.saturating_sub(1));
        again / (again + model.stays.density(exact.entry.time(), stay) * (1.0 - model.lost_exits))
    }

    /// A read with the camera that made it.
    pub(crate) fn seen_by<'b>(&self, model: &'b Model, read: &'b Read) -> Seen<'b> {
        let gate = self.lot.gates.get(read.gate).and_then(Option::as_ref);
        let channel = gate.and_then(|gate| model.cameras.get(gate)).unwrap_or(&model.camera);
        Seen { read, channel }
    }

    /// The model that applies at that time.
    pub(crate) fn model_at(&self, time: Timestamp) -> &'a Model {
        &self.models.all()[self.models.at(time)]
    }

    pub(crate) fn lot(&self) -> &'a Lot {
        self.lot
    }
}

/// What the weight of an entry and an exit, each with its camera, is made of by one model, decided at `now`; `None` when
/// it is below [`WEIGHT_MIN`]. `marginals` are those of the two reads under this model.
pub(super) fn weigh(
    model: &Model,
    entry: &Entry,
    [of_entry, of_exit]: [Seen<'_>; 2],
    [entry_marginal, exit_marginal]: [&mut Marginal; 2],
    now: Timestamp,
) -> Option<Factors> {
    let left = of_exit.read.time();
    let joint = model.joint(of_entry, of_exit);
    let (stay, unseen) = stay_factors(model, entry, left, now);
    let lone_exits = model.lone_exits * model.stays.exits(left);
    let factors = |marginals: f64| {
        let ratio = joint.same / marginals;
        let dip = model.lost_exits * model.lone_exits * joint.returning / (marginals * unseen * lone_exits);
        Factors { likelihood_ratio: ratio, stay, unseen, lone_exits, dip }
    };
    let is_enough = |marginals: f64| factors(marginals).weight(model.lost_exits) >= WEIGHT_MIN;
    // The weight falls with the marginals, which are dear: bounds from below leave most pairs out.
    let right = entry_marginal.right(model, of_entry) * exit_marginal.right(model, of_exit);
    if !is_enough(right)
        || !is_enough(entry_marginal.least(model, of_entry) * exit_marginal.least(model, of_exit))
        || !is_enough(entry_marginal.least(model, of_entry) * exit_marginal.whole(model, of_exit))
    {
        return None;
    }
    // Two vehicles of one fleet have plates that are near without any misread.
    let mate = model.prior.of_fleet_mate(&of_entry.read.letters, &of_exit.read.letters);
    let of_mate = mate * of_exit.channel.all_right(&of_exit.read.letters);
    let marginals = entry_marginal.whole(model, of_entry) * (exit_marginal.whole(model, of_exit) + of_mate);
    is_enough(marginals).then(|| factors(marginals))
}

pub(super) fn is_near(entry: &Letters, exit: &Letters) -> bool {
    edits::cost(entry, exit).is_some_and(|cost| cost > 0)
}

/// Whether nothing that is known at `now` excludes the pair: the times, the next event of the entry's plate, and the
/// exit at which the exit's plate was gone.
pub(super) fn may_be(entry: &Entry, exit: &Exit, now: Timestamp, max_stay_ms: i64) -> bool {
    let (entered, left) = (entry.read.time(), exit.read.time());
    entered < left
        && left.millis_since(entered) <= max_stay_ms
        && entry.next.is_none_or(|next| if entry.is_matched { next > now } else { next > left })
        && exit.gone_at.is_none_or(|gone| gone < entered)
}

/// f and U of an entry for an exit at `left`, decided at `now`.
pub(crate) fn stay_factors(model: &Model, entry: &Entry, left: Timestamp, now: Timestamp) -> (f64, f64) {
    let entered = entry.read.time();
    let since = |time: Timestamp| seconds(time.millis_since(entered));
    let density = model.stays.density(entered, since(left));
    if let Some(next) = entry.next.filter(|next| *next <= now) {
        let over = (1.0 - model.stays.survival(entered, since(next))).max(1e-6);
        (density / over, model.lost_exits)
    } else {
        let inside = model.stays.survival(entered, since(now));
        (density, inside + (1.0 - inside) * model.lost_exits)
    }
}
