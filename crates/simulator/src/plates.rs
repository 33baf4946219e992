//! Number plates of realistic shapes, and the spellings of one plate by different readers.
//!
//! The rarest shape has some 800 million plates and the others tens of billions, so two vehicles inside at the same
//! time practically never have the same plate. Misread letters are not simulated here.

use std::fmt::Write as _;

use parking::Plate;

use crate::rng::DeterministicRng;

/// Without I and O, which look like digits.
const LETTERS: &[u8; 24] = b"ABCDEFGHJKLMNPQRSTUVWXYZ";
const LETTERS_AND_DIGITS: &[u8; 34] = b"ABCDEFGHJKLMNPQRSTUVWXYZ0123456789";
const INDIAN_STATES: &[&str] = &[
    "AP", "AR", "AS", "BR", "CG", "DL", "GA", "GJ", "HP", "HR", "JH", "JK", "KA", "KL", "LA", "MH", "ML", "MN", "MP",
    "MZ", "NL", "OD", "PB", "PY", "RJ", "SK", "TN", "TR", "TS", "UK", "UP", "WB",
];
const CHINESE_PROVINCES: &[char] = &[
    '京', '津', '沪', '渝', '冀', '豫', '云', '辽', '黑', '湘', '皖', '鲁', '新', '苏', '浙', '赣', '鄂', '桂', '甘',
    '晋', '蒙', '陕', '吉', '闽', '贵', '粤', '青', '藏', '川', '宁', '琼',
];

/// A plate in its groups, separated by blanks: `AB12 CDE`, `MH 12 AB 0042`, `粤B A1B2C`.
pub(crate) struct NumberPlate(String);

impl NumberPlate {
    /// A British plate (three in ten), an Indian one (four) or a Chinese one (three).
    pub(crate) fn draw(rng: &mut DeterministicRng) -> Self {
        const NO_FAILURE: &str = "writing to a String cannot fail";
        let shape = rng.below(10);
        let mut plate = Self(String::with_capacity(16));
        match shape {
            0..3 => {
                plate.push(rng, 2, LETTERS);
                plate.push(rng, 2, b"0123456789");
                plate.0.push(' ');
                plate.push(rng, 3, LETTERS);
            }
            3..7 => {
                plate.0.push_str(rng.one_of::<&str>(INDIAN_STATES));
                write!(plate.0, " {:02} ", 1 + rng.below(99)).expect(NO_FAILURE);
                plate.push(rng, 2, LETTERS);
                write!(plate.0, " {:04}", 1 + rng.below(9999)).expect(NO_FAILURE);
            }
            _ => {
                plate.0.push(*rng.one_of(CHINESE_PROVINCES));
                plate.push(rng, 1, LETTERS);
                plate.0.push(' ');
                plate.push(rng, 5, LETTERS_AND_DIGITS);
            }
        }
        plate
    }

    fn push(&mut self, rng: &mut DeterministicRng, count: usize, from: &[u8]) {
        self.0.extend((0..count).map(|_| char::from(*rng.one_of(from))));
    }

    /// The normal form, which is equal for every spelling.
    pub(crate) fn normal(&self) -> Plate {
        Plate::from_read(&self.0).expect("the shapes above have 7 to 10 letters and digits")
    }

    /// The spelling of a reader: mostly the usual one, sometimes joined, dashed, in lower case or with wide digits.
    pub(crate) fn spelled(&self, rng: &mut DeterministicRng) -> String {
        match rng.below(100) {
            0..70 if self.0.is_ascii() => self.0.clone(),
            0..70 => self.0.replace(' ', "·"),
            70..82 => self.0.replace(' ', ""),
            82..90 => self.0.replace(' ', "-"),
            90..95 => self.0.to_lowercase(),
            95..98 => self.0.replace(' ', "\u{2013}"),
            _ => self.0.chars().map(wide_digit).collect(),
        }
    }
}

/// A digit as a full-width character; other letters unchanged.
fn wide_digit(letter: char) -> char {
    letter.to_digit(10).and_then(|digit| char::from_u32(u32::from('０') + digit)).unwrap_or(letter)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::rng::Key;
    use parking::LotId;

    fn many<T>(draw: impl Fn(&mut DeterministicRng) -> T) -> Vec<T> {
        let key = Key::new(1, &LotId::default(), 0);
        (0..20_000).map(|stream| draw(&mut key.stream(stream))).collect()
    }

    #[test]
    fn every_spelling_of_a_plate_has_the_same_normal_form() {
        let spellings = many(|rng| {
            let plate = NumberPlate::draw(rng);
            let spelling = plate.spelled(rng);
            assert_eq!(Plate::from_read(&spelling), Ok(plate.normal()), "{spelling}");
            spelling
        });
        let with = |part: &str| spellings.iter().filter(|spelling| spelling.contains(part)).count();
        assert!([" ", "-", "·", "\u{2013}", "０", "a"].iter().all(|part| with(part) > 0));
    }

    #[test]
    fn plates_are_practically_never_the_same() {
        let plates: BTreeSet<Plate> = many(|rng| NumberPlate::draw(rng).normal()).into_iter().collect();
        assert_eq!(plates.len(), 20_000);
    }
}
