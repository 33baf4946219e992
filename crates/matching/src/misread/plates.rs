//! The plate prior `pi(p)`: how likely the next vehicle has this plate.
//!
//! `(n - D)/N` for a plate seen n times in matched stays, plus `D V/N G(p)` for any (absolute discounting, with `D = n1
//! / (n1 + 2 n2)`), plus the fleet term `phi k / (4 V)`: k of the neighbours p-2, p-1, p+1, p+2 are known, and phi is
//! the share of known plates with such a neighbour above chance; once by number and once by the last letter. Known
//! plates are 64-bit hashes under the ledger's key.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::letters::Letters;
use super::number::{Nats, real};
use super::shapes::{self, Generator, Shape, Shapes};
use super::sip::Sip;

/// Neighbours that are so far away are there by chance: no fleet is so large and so even.
const BY_CHANCE: [[i32; 4]; 2] = [[-42, -41, 41, 42], [-12, -11, 11, 12]];
/// Neighbours of a fleet.
const IN_FLEET: [i32; 4] = [-2, -1, 1, 2];
/// Plates of one fleet are not further apart.
const FLEET_MAX: u32 = 30;
/// Discounts are at least and at most this.
const DISCOUNTS: (f64, f64) = (0.3, 0.95);

/// The key under which a ledger hashes plates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PlateKey(pub [u8; 16]);

impl PlateKey {
    /// The hash of a plate.
    pub fn hash(&self, plate: &Letters) -> u64 {
        Sip::new(self.0).hash(plate)
    }
}

/// What a model knows of one plate. The digest of a model leaves these out, so that a plate can be erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct KnownPlate {
    /// The hash under the ledger's key.
    pub hash: u64,
    /// Matched stays; 0 for one that was erased, or of which only neighbours are known.
    pub visits: u32,
    /// Known plates among its four neighbours by number, and by the last letter.
    pub neighbours: [u8; 2],
}

/// How many plates a model has seen: what its prior rests on besides the plates themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlateTable {
    /// Matched stays.
    pub visits: u32,
    /// Different plates.
    pub plates: u32,
    /// D, the discount of each plate.
    pub discount: Nats,
    /// phi, the share of fleets: by number, and by the last letter.
    pub fleets: [Nats; 2],
    /// The shapes of plates, by key.
    pub shapes: Vec<Shape>,
}

/// Learns from the visits of each plate.
pub(crate) fn learn(visits: &BTreeMap<Letters, u32>, key: &PlateKey) -> (PlateTable, Vec<KnownPlate>) {
    let seen = |times: u32| real(visits.values().filter(|visits| **visits == times).count());
    let (once, twice) = (seen(1), seen(2));
    let discount = if once > 0.0 { once / (once + 2.0 * twice) } else { DISCOUNTS.1 };
    let plates: Vec<Letters> = visits.keys().copied().collect();
    let mut neighbours: BTreeMap<Letters, [u8; 2]> = BTreeMap::new();
    for kind in [0, 1] {
        for near in plates.iter().flat_map(|plate| IN_FLEET.iter().filter_map(|by| neighbour(plate, kind, *by))) {
            neighbours.entry(near).or_default()[kind] += 1;
        }
    }
    let share = |kind: usize, offsets: &[i32]| {
        let has_any = |plate: &&Letters| {
            offsets.iter().filter_map(|by| neighbour(plate, kind, *by)).any(|near| visits.contains_key(&near))
        };
        real(plates.iter().filter(has_any).count()) / real(plates.len()).max(1.0)
    };
    let fleets = [0, 1].map(|kind| (share(kind, &IN_FLEET) - share(kind, &BY_CHANCE[kind])).max(0.0));
    let table = PlateTable {
        visits: visits.values().sum(),
        plates: u32::try_from(plates.len()).unwrap_or(u32::MAX),
        discount: Nats::of(discount.clamp(DISCOUNTS.0, DISCOUNTS.1)),
        fleets: fleets.map(Nats::of),
        shapes: shapes::learn(&plates),
    };
    let mut known: BTreeMap<u64, KnownPlate> = BTreeMap::new();
    let mut known_of = |plate: &Letters, visits: u32, neighbours: [u8; 2]| {
        let hash = key.hash(plate);
        let row = known.entry(hash).or_insert(KnownPlate { hash, visits: 0, neighbours: [0; 2] });
        row.visits += visits;
        row.neighbours = [0, 1].map(|kind| row.neighbours[kind].max(neighbours[kind]));
    };
    for (plate, visits) in visits {
        known_of(plate, *visits, [0; 2]);
    }
    for (plate, count) in &neighbours {
        known_of(plate, 0, *count);
    }
    (table, known.into_values().collect())
}

/// The plate `by` places away: by number, or by the last letter.
fn neighbour(plate: &Letters, kind: usize, by: i32) -> Option<Letters> {
    if kind == 0 { plate.neighbour_by_number(by) } else { plate.neighbour_by_letter(by) }
}

/// The prior, ready to be asked.
#[derive(Debug, Clone)]
pub(crate) struct Prior {
    pub(super) sip: Sip,
    /// Open addressing by the hash, which is even already. A row without visits and neighbours is free.
    rows: Vec<KnownPlate>,
    /// A bit for each hash that may be there: most plates that are asked for are not, and this is found out in the cache.
    bits: Vec<u64>,
    shapes: Shapes,
    discount: f64,
    /// 1/N.
    of_visit: f64,
    /// The weight of G.
    unseen: f64,
    /// phi / (4 V).
    of_neighbour: [f64; 2],
    /// phi.
    fleets: [f64; 2],
}

/// What the prior says of one plate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Known {
    /// pi(p).
    pub share: f64,
    /// n(p).
    pub visits: u32,
}

impl Prior {
    pub(crate) fn new(table: &PlateTable, known: &[KnownPlate], key: PlateKey) -> Self {
        let free = KnownPlate { hash: 0, visits: 0, neighbours: [0; 2] };
        let size = (known.len() * 2).next_power_of_two().max(2);
        let mut rows = vec![free; size];
        let mut bits = vec![0; (size / 8).max(1)];
        for row in known.iter().filter(|row| is_taken(row)) {
            let mut at = place(row.hash, size);
            while is_taken(&rows[at]) {
                at = (at + 1) & (size - 1);
            }
            rows[at] = *row;
            let (word, bit) = bit_of(row.hash, bits.len());
            bits[word] |= bit;
        }
        let discount = table.discount.value();
        let (visits, plates) = (f64::from(table.visits).max(1.0), f64::from(table.plates));
        let fleets = table.fleets.map(Nats::value);
        let unseen = if table.visits == 0 { 1.0 } else { discount * plates / visits };
        Self {
            sip: Sip::new(key.0),
            rows,
            bits,
            shapes: Shapes::new(&table.shapes),
            discount,
            of_visit: 1.0 / visits,
            unseen: unseen * (1.0 - fleets[0] - fleets[1]).max(0.1),
            fleets,
            of_neighbour: fleets.map(|fleets| unseen * fleets / (4.0 * plates.max(1.0))),
        }
    }

    /// What is known of a plate.
    pub(crate) fn of(&self, plate: &Letters) -> Known {
        let generator = self.shapes.generator(plate);
        if let Generator::Unseen(share) = generator {
            // No plate of a shape that was never seen is known.
            return Known { share: self.of_unknown(share), visits: 0 };
        }
        self.of_hash(self.sip.hash(plate), generator.of(plate))
    }

    /// pi(p) of a plate that is not known, with its G(p).
    pub(super) fn of_unknown(&self, generated: f64) -> f64 {
        self.unseen * generated
    }

    /// What generates the plates of this one's shape.
    pub(crate) fn generator(&self, plate: &Letters) -> Generator<'_> {
        self.shapes.generator(plate)
    }

    /// What is known of a plate by its hash, with its G(p).
    #[inline]
    pub(super) fn of_hash(&self, hash: u64, generated: f64) -> Known {
        let (visits, neighbours) = self.row(hash);
        let mut share = self.unseen * generated
            + f64::from(neighbours[0]) * self.of_neighbour[0]
            + f64::from(neighbours[1]) * self.of_neighbour[1];
        if visits > 0 {
            share += (f64::from(visits) - self.discount) * self.of_visit;
        }
        Known { share, visits }
    }

    /// How likely a plate is one of those that begin with this one and have two letters more. The known ones among them
    /// are taken to be as many as the shapes say.
    pub(crate) fn of_two_more(&self, plate: &Letters) -> f64 {
        self.shapes.of_two_more(plate)
    }

    /// How likely a vehicle of the same fleet as `seen` has this plate: seen plates are known ones, even while they are
    /// inside. Fleets are consecutive, so the further apart the less likely.
    pub(crate) fn of_fleet_mate(&self, seen: &Letters, plate: &Letters) -> f64 {
        let near = |apart: Option<u32>| {
            apart.map_or(0.0, |apart| 1.0 - f64::from(apart.min(FLEET_MAX)) / f64::from(FLEET_MAX))
        };
        let [by_number, by_letter] = seen.apart(plate).map(near);
        (by_number * self.fleets[0] + by_letter * self.fleets[1]) * self.of_visit
    }

    /// D, as a share of a visit.
    pub(crate) fn discount(&self) -> f64 {
        self.discount
    }

    fn row(&self, hash: u64) -> (u32, [u8; 2]) {
        let (word, bit) = bit_of(hash, self.bits.len());
        if self.bits[word] & bit == 0 {
            return (0, [0; 2]);
        }
        let mut at = place(hash, self.rows.len());
        while is_taken(&self.rows[at]) {
            if self.rows[at].hash == hash {
                return (self.rows[at].visits, self.rows[at].neighbours);
            }
            at = (at + 1) & (self.rows.len() - 1);
        }
        (0, [0; 2])
    }
}

fn is_taken(row: &KnownPlate) -> bool {
    row.visits > 0 || row.neighbours != [0; 2]
}

/// The word and the bit of a hash in a table of `words`.
fn bit_of(hash: u64, words: usize) -> (usize, u64) {
    (place(hash >> 20, words), 1 << (hash >> 58))
}

fn place(hash: u64, size: usize) -> usize {
    usize::try_from(hash & (size as u64 - 1)).expect("a place in memory fits")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::misread::reads::tests::read;

    fn prior(plates: &[(&str, u32)]) -> Prior {
        let visits = plates.iter().map(|(plate, visits)| (read(plate).letters, *visits)).collect();
        let key = PlateKey([7; 16]);
        let (table, known) = learn(&visits, &key);
        Prior::new(&table, &known, key)
    }

    #[test]
    fn a_plate_seen_often_is_likelier_than_one_seen_once_and_that_than_a_new_one() {
        let prior = prior(&[("AB100", 9), ("CD200", 1), ("EF300", 2), ("GH400", 1)]);
        let [often, once, new] = ["AB100", "CD200", "JK500"].map(|plate| prior.of(&read(plate).letters));
        assert_eq!([often.visits, once.visits, new.visits], [9, 1, 0]);
        assert!(often.share > once.share && once.share > new.share && new.share > 0.0);
    }

    #[test]
    fn a_neighbour_of_a_fleet_is_likelier_than_another_new_plate() {
        let prior = prior(&[("AB100", 1), ("AB101", 1), ("AB102", 2), ("XY777", 1)]);
        let [neighbour, other] = ["AB103", "AB107"].map(|plate| prior.of(&read(plate).letters).share);
        assert!(neighbour > 2.0 * other, "{neighbour} {other}");
    }

    #[test]
    fn an_erased_plate_counts_as_never_seen() {
        let visits = [(read("AB100").letters, 5), (read("CD200").letters, 1)].into();
        let key = PlateKey([7; 16]);
        let (table, mut known) = learn(&visits, &key);
        for row in known.iter_mut().filter(|row| row.hash == key.hash(&read("AB100").letters)) {
            row.visits = 0;
        }
        assert_eq!(Prior::new(&table, &known, key).of(&read("AB100").letters).visits, 0);
    }
}
