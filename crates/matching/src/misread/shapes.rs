//! The generator of plates, `G(p)`: how likely a text is as a plate that was not seen before.
//!
//! The frequency of its shape (which places are digits, which letters) times a bigram for each place within that shape,
//! smoothed by the letters of the place and those by chance. Learned from the different plates of exact matches.

use serde::{Deserialize, Serialize};

use super::letters::{LONGEST, Letters, SYMBOLS};

/// Shapes of fewer plates have no bigrams.
const FEWEST_PLATES: u32 = 20;
/// The most shapes with bigrams.
const MOST_SHAPES: usize = 64;
/// A bigram is worth as much as this many by the letters of the place, and those by chance.
const BACK_OFF: f64 = 8.0;
/// Sizes of the classes: digits, letters, and others as one.
const SIZES: [usize; 3] = [10, 26, 1];
/// A symbol before the first.
pub(super) const START: usize = 0;
/// Shapes never seen are as frequent as this many plates.
const UNSEEN: f64 = 0.5;

/// A shape and its plates' letters, as counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// Two bits a place.
    pub key: u64,
    /// Different plates of this shape.
    pub plates: u32,
    /// For each place, the symbol before, the symbol: how many plates have it. Only those that occur; empty for rare shapes.
    pub bigrams: Vec<(u8, u8, u8, u32)>,
}

/// The shapes of the different `plates`, by key.
pub(crate) fn learn(plates: &[Letters]) -> Vec<Shape> {
    let mut counts: std::collections::BTreeMap<u64, Vec<&Letters>> = std::collections::BTreeMap::new();
    for plate in plates {
        counts.entry(key(plate)).or_default().push(plate);
    }
    let mut sizes: Vec<usize> = counts.values().map(Vec::len).collect();
    sizes.sort_unstable_by(|one, other| other.cmp(one));
    let fewest = sizes.get(MOST_SHAPES).copied().unwrap_or(0) + 1;
    let shape_of = |(key, plates): (&u64, &Vec<&Letters>)| {
        let count = u32::try_from(plates.len()).unwrap_or(u32::MAX);
        let is_frequent = count >= FEWEST_PLATES && plates.len() >= fewest;
        Shape { key: *key, plates: count, bigrams: if is_frequent { bigrams(plates) } else { Vec::new() } }
    };
    counts.iter().map(shape_of).collect()
}

fn bigrams(plates: &[&Letters]) -> Vec<(u8, u8, u8, u32)> {
    let mut counts = std::collections::BTreeMap::new();
    for plate in plates {
        let mut before = 0;
        for (place, code) in plate.codes().iter().enumerate() {
            let place = u8::try_from(place).expect("plates are short");
            let code = (*code).min(36);
            *counts.entry((place, before, code)).or_insert(0_u32) += 1;
            before = code;
        }
    }
    counts.into_iter().map(|((place, before, code), count)| (place, before, code, count)).collect()
}

fn class(code: u8) -> usize {
    usize::from(code >= 10) + usize::from(code >= 36)
}

/// The place of a code within its class.
pub(super) fn member(code: u8) -> usize {
    usize::from(code) - [0, 10, usize::from(code.max(36))][class(code)]
}

fn key(plate: &Letters) -> u64 {
    key_of(plate.codes())
}

fn key_of(codes: &[u8]) -> u64 {
    codes.iter().rev().fold(0, |key, code| key << 2 | (class(*code) as u64 + 1))
}

/// The shapes, ready to be asked.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shapes {
    /// By key.
    shapes: Vec<(u64, Table)>,
    /// Share of the shapes that were never seen.
    unseen: f64,
}

/// The plates of one shape: a rare shape's are all equally likely.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Generator<'a> {
    Even(f64),
    /// Of a shape that was never seen.
    Unseen(f64),
    Learned(&'a Table),
}

impl Generator<'_> {
    /// G(p) of a plate of the shape.
    #[inline]
    pub(crate) fn of(&self, plate: &Letters) -> f64 {
        match self {
            Self::Even(share) | Self::Unseen(share) => *share,
            Self::Learned(table) => table.share * table.product(plate.codes()),
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Table {
    pub(super) share: f64,
    length: usize,
    /// For each place, the symbol before and the symbol: a share. Empty for rare shapes.
    pub(super) places: Vec<Place>,
}

#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) columns: usize,
    pub(super) shares: Vec<f64>,
}

impl Shapes {
    pub(crate) fn new(shapes: &[Shape]) -> Self {
        let total: f64 = shapes.iter().map(|shape| f64::from(shape.plates)).sum();
        let alone = shapes.iter().filter(|shape| shape.plates == 1).count();
        let unseen = (super::number::real(alone) + UNSEEN) / (total + 2.0 * UNSEEN);
        let of = |shape: &Shape| {
            let share = f64::from(shape.plates) / total.max(1.0) * (1.0 - unseen);
            (shape.key, Table::new(shape, share))
        };
        Self { shapes: shapes.iter().map(of).collect(), unseen }
    }

    /// G(p).
    #[cfg(test)]
    fn of(&self, plate: &Letters) -> f64 {
        self.generator(plate).of(plate)
    }

    /// What generates the plates of this one's shape.
    pub(crate) fn generator(&self, plate: &Letters) -> Generator<'_> {
        let by_chance = || plate.codes().iter().map(|code| chance(class(*code))).product::<f64>();
        match self.shapes.binary_search_by_key(&key(plate), |(key, _)| *key) {
            Ok(found) if self.shapes[found].1.places.is_empty() => {
                Generator::Even(self.shapes[found].1.share * by_chance())
            }
            Ok(found) => Generator::Learned(&self.shapes[found].1),
            Err(_) => Generator::Unseen(self.unseen / 12.0 * unseen_shape(plate.codes()) * by_chance()),
        }
    }

    /// How likely a plate is one of those that begin with this one and have two letters more.
    pub(crate) fn of_two_more(&self, plate: &Letters) -> f64 {
        let (own, length) = (key(plate), plate.len());
        let mask = if length == LONGEST { u64::from(u32::MAX) } else { (1 << (2 * length)) - 1 };
        let longer = |(key, table): &&(u64, Table)| table.length == length + 2 && key & mask == own;
        let seen: f64 = self
            .shapes
            .iter()
            .filter(longer)
            .filter(|(_, table)| !table.places.is_empty())
            .map(|(_, table)| table.share * table.product(plate.codes()))
            .sum();
        seen
    }
}

/// A frequent shape with the symbols of each place.
#[derive(Debug, Clone)]
pub(crate) struct Unigrams {
    pub share: f64,
    pub places: Vec<[f64; SYMBOLS]>,
}

impl Shapes {
    /// The frequent shapes, each place for itself.
    pub(crate) fn unigrams(shapes: &[Shape]) -> Vec<Unigrams> {
        let total: f64 = shapes.iter().map(|shape| f64::from(shape.plates)).sum();
        let of = |shape: &Shape| {
            let mut places = vec![[0.0; SYMBOLS]; length_of(shape.key)];
            for (place, _, code, count) in &shape.bigrams {
                places[usize::from(*place)][usize::from(*code)] += f64::from(*count) / f64::from(shape.plates);
            }
            Unigrams { share: f64::from(shape.plates) / total, places }
        };
        shapes.iter().filter(|shape| !shape.bigrams.is_empty()).map(of).collect()
    }
}

fn length_of(key: u64) -> usize {
    (0..LONGEST).take_while(|place| key >> (2 * place) & 3 != 0).count()
}

/// A code of a class by chance.
fn chance(class: usize) -> f64 {
    [0.1, 1.0 / 26.0, 1.0 / 30.0][class]
}

fn unseen_shape(codes: &[u8]) -> f64 {
    codes.iter().map(|code| [0.47, 0.47, 0.06][class(*code)]).product()
}

impl Table {
    fn new(shape: &Shape, frequency: f64) -> Self {
        let length = length_of(shape.key);
        let class_at = |place: usize| usize::try_from(shape.key >> (2 * place) & 3).map_or(0, |class| class - 1);
        let place_of = |place: usize| {
            let rows = if place == 0 { 1 } else { SIZES[class_at(place - 1)] };
            Place::new(shape, place, rows, class_at(place))
        };
        let places = if shape.bigrams.is_empty() { Vec::new() } else { (0..length).map(place_of).collect() };
        Self { share: frequency, length, places }
    }

    fn product(&self, codes: &[u8]) -> f64 {
        let mut product = 1.0;
        let mut before = START;
        for (place, code) in self.places.iter().zip(codes) {
            let member = member(*code);
            product *= place.shares[before * place.columns + member];
            product *= chance_of_one(*code);
            before = member;
        }
        product
    }
}

/// A character that is neither digit nor Latin letter is one of some.
pub(super) fn chance_of_one(code: u8) -> f64 {
    if code >= 36 { chance(2) } else { 1.0 }
}

impl Place {
    fn new(shape: &Shape, place: usize, rows: usize, class: usize) -> Self {
        let columns = SIZES[class];
        let mut pairs = vec![0.0; rows * columns];
        let mut singles = vec![0.0; columns];
        for (at, before, code, count) in &shape.bigrams {
            if usize::from(*at) == place {
                let row = if place == 0 { 0 } else { member(*before) };
                pairs[row * columns + member(*code)] += f64::from(*count);
                singles[member(*code)] += f64::from(*count);
            }
        }
        let total: f64 = singles.iter().sum();
        let even = 1.0 / super::number::real(columns);
        let single = |column: usize| (singles[column] + BACK_OFF * even) / (total + BACK_OFF);
        let mut shares = vec![0.0; rows * columns];
        for row in 0..rows {
            let of_row = row * columns..(row + 1) * columns;
            let sum: f64 = pairs[of_row].iter().sum();
            for column in 0..columns {
                let at = row * columns + column;
                shares[at] = (pairs[at] + BACK_OFF * single(column)) / (sum + BACK_OFF);
            }
        }
        Self { columns, shares }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::misread::reads::tests::read;

    fn plates() -> Vec<Letters> {
        (0..100).map(|number| read(&format!("AB{:02}X", number % 100)).letters).chain([read("Q1").letters]).collect()
    }

    #[test]
    fn a_plate_of_the_usual_shape_and_letters_is_likely() {
        let shapes = Shapes::new(&learn(&plates()));
        let of = |plate: &str| shapes.of(&read(plate).letters);
        assert!((of("AB12X") - 0.008).abs() < 0.002, "{}", of("AB12X"));
        assert!(of("AB12X") > 100.0 * of("TZ12Q") && of("TZ12Q") > 0.0 && of("A1B2X") > 0.0);
        assert!(of("京12") > 0.0);
    }

    #[test]
    fn the_plates_of_a_shape_add_up_to_its_share() {
        let shapes = Shapes::new(&learn(&plates()));
        let mut total = 0.0;
        for first in 10..36 {
            for second in 10..36 {
                for third in 0..10 {
                    let head = read("AA00A").letters.with(0, first).with(1, second).with(2, third);
                    total += shapes.of(&head.with(3, 5).with(4, 33));
                }
            }
        }
        let two_more = shapes.of_two_more(&read("AB1").letters);
        assert!((0.01..0.11).contains(&total), "{total}");
        assert!((0.07..0.11).contains(&two_more), "{two_more}");
    }

    #[test]
    fn without_plates_every_text_has_some_chance() {
        let shapes = Shapes::new(&[]);
        assert!(shapes.of(&read("AB12X").letters) > 0.0 && shapes.of_two_more(&read("AB12X").letters) == 0.0);
    }
}
