//! Number plates of twelve countries, with local districts far more frequent than distant ones: some 22 to 27 bits
//! each.

use crate::rng::DeterministicRng;

/// Countries with plates of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Country {
    /// `AB12CDE`.
    Britain,
    /// `M AB 1234`.
    Germany,
    /// `AB-123-CD`.
    France,
    /// `1234 BCD`.
    Spain,
    /// `AB 123 CD`.
    Italy,
    /// `X-123-XX` and its kin.
    Netherlands,
    /// `WA 12345`.
    Poland,
    /// `ABC-123`.
    Finland,
    /// `8ABC123`.
    America,
    /// `ABC1D23`.
    Brazil,
    /// `B12345`, without the province.
    China,
    /// `MH12AB1234`.
    India,
}

impl Country {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Britain,
        Self::Germany,
        Self::France,
        Self::Spain,
        Self::Italy,
        Self::Netherlands,
        Self::Poland,
        Self::Finland,
        Self::America,
        Self::Brazil,
        Self::China,
        Self::India,
    ];

    /// Its name in English.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Britain => "britain",
            Self::Germany => "germany",
            Self::France => "france",
            Self::Spain => "spain",
            Self::Italy => "italy",
            Self::Netherlands => "netherlands",
            Self::Poland => "poland",
            Self::Finland => "finland",
            Self::America => "america",
            Self::Brazil => "brazil",
            Self::China => "china",
            Self::India => "india",
        }
    }

    /// The country of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|country| country.as_str() == name)
    }

    /// Whether consecutive plates differ in their last letter, and not in their number.
    fn counts_in_letters(self) -> bool {
        self == Self::Britain
    }
}

const LETTERS: &[u8] = b"ABCDEFGHJKLMNPRSTUVWXYZ";
const ALL_LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const CONSONANTS: &[u8] = b"BCDFGHJKLMNPRSTVWXYZ";
const DIGITS: &[u8] = b"0123456789";

/// The plates around one lot.
#[derive(Debug, Clone)]
pub struct Plates {
    country: Country,
    districts: Vec<String>,
}

impl Plates {
    /// The plates of a country, as they are seen at a lot.
    pub fn new(country: Country, rng: &mut DeterministicRng) -> Self {
        let length = match country {
            Country::Poland | Country::Britain | Country::India => 2,
            Country::Germany => 0,
            Country::Brazil
            | Country::France
            | Country::Spain
            | Country::Italy
            | Country::Netherlands
            | Country::Finland
            | Country::America
            | Country::China => 1,
        };
        let district = |rng: &mut DeterministicRng| {
            let length = if length == 0 { 1 + rng.below(3) } else { length };
            text(rng, length, LETTERS)
        };
        let districts = (0..60).map(|_| district(rng)).collect();
        Self { country, districts }
    }

    /// A plate.
    pub fn draw(&self, rng: &mut DeterministicRng) -> String {
        let district = self.districts[rng.ranked(self.districts.len())].clone();
        let number = |rng: &mut DeterministicRng, digits: usize| text(rng, digits, DIGITS);
        match self.country {
            Country::Britain => {
                let year = [rng.below(26), 50 + rng.below(25)][rng.below(2)];
                format!("{district}{year:02}{}", text(rng, 3, LETTERS))
            }
            Country::Germany => {
                let letters = 1 + rng.below(2);
                let digits = [2, 3, 3, 4, 4][rng.below(5)];
                let first = *rng.one_of(b"123456789");
                format!("{district}{}{}{}", text(rng, letters, ALL_LETTERS), char::from(first), number(rng, digits - 1))
            }
            Country::France => {
                let first = *rng.one_of(b"ABCDEFGH");
                format!("{}{}{}{}", char::from(first), text(rng, 1, LETTERS), number(rng, 3), text(rng, 2, LETTERS))
            }
            Country::Spain => {
                let first = *rng.one_of(b"FGHJKLMN");
                format!("{}{}{}", number(rng, 4), char::from(first), text(rng, 2, CONSONANTS))
            }
            Country::Italy => {
                let first = *rng.one_of(b"CDEFGH");
                format!("{}{}{}{}", char::from(first), text(rng, 1, LETTERS), number(rng, 3), text(rng, 2, LETTERS))
            }
            Country::Netherlands => match rng.below(3) {
                0 => format!("{}{}{}", text(rng, 1, CONSONANTS), number(rng, 3), text(rng, 2, CONSONANTS)),
                1 => format!("{}{}{}", number(rng, 2), text(rng, 3, CONSONANTS), number(rng, 1)),
                _ => format!("{}{}{}", text(rng, 2, CONSONANTS), number(rng, 3), text(rng, 1, CONSONANTS)),
            },
            Country::Poland => format!("{district}{}", number(rng, 5)),
            Country::Finland => format!("{}{}{}", district, text(rng, 2, LETTERS), number(rng, 3)),
            Country::America => {
                format!("{}{}{}", 5 + rng.below(5), text(rng, 3, ALL_LETTERS), number(rng, 3))
            }
            Country::Brazil => {
                let head = text(rng, 2, ALL_LETTERS);
                format!("{district}{head}{}{}{}", number(rng, 1), text(rng, 1, b"ABCDEFGHIJ"), number(rng, 2))
            }
            Country::China => {
                let letters = rng.weighted(&[0.4, 0.45, 0.15]);
                let mut rest = number(rng, 5).into_bytes();
                for _ in 0..letters {
                    let at = rng.below(5);
                    rest[at] = *rng.one_of(LETTERS);
                }
                format!("{district}{}", String::from_utf8_lossy(&rest))
            }
            Country::India => {
                let office = 1 + rng.ranked(50);
                format!("{district}{office:02}{}{}", text(rng, 2, LETTERS), number(rng, 4))
            }
        }
    }

    /// The plate after this one, for a fleet.
    pub fn next(&self, plate: &str) -> Option<String> {
        let mut bytes = plate.as_bytes().to_vec();
        let is_counted = |byte: &u8| if self.country.counts_in_letters() { true } else { byte.is_ascii_digit() };
        let last = bytes.iter().rposition(is_counted)?;
        for at in (0..=last).rev() {
            match bytes[at] {
                b'9' => bytes[at] = b'0',
                b'Z' => bytes[at] = b'A',
                digit if digit.is_ascii_digit() && !is_counted(&digit) => return None,
                letter if letter.is_ascii_alphabetic() && !self.country.counts_in_letters() => return None,
                _ => {
                    bytes[at] += 1;
                    return String::from_utf8(bytes).ok();
                }
            }
        }
        None
    }
}

fn text(rng: &mut DeterministicRng, length: usize, from: &[u8]) -> String {
    (0..length).map(|_| char::from(*rng.one_of(from))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plates_of_every_country_are_plates() {
        let mut rng = DeterministicRng::new(1, 0);
        for country in Country::ALL {
            let plates = Plates::new(country, &mut rng);
            for _ in 0..100 {
                let plate = plates.draw(&mut rng);
                assert!(
                    (4..=10).contains(&plate.len()) && parking::Plate::named(&plate).is_ok(),
                    "{country:?} {plate}"
                );
            }
        }
    }

    #[test]
    fn fleets_have_consecutive_plates() {
        let mut rng = DeterministicRng::new(1, 0);
        let germany = Plates::new(Country::Germany, &mut rng);
        assert_eq!(germany.next("MAB129"), Some("MAB130".into()));
        assert_eq!(germany.next("MAB999"), None);
        assert_eq!(Plates::new(Country::Britain, &mut rng).next("AB12CDZ"), Some("AB12CEA".into()));
    }
}
