//! The index of plates: which entries may be the same plate as an exit, found by common deletions.
//!
//! A plate is stored under its skeleton and under every text that is left of it when one or two places are deleted; two
//! plates that share one of these differ by two edits at most, besides look-alikes. Some of what is found is chance:
//! the filter comes behind. The index is kept in memory and rebuilt from the entries.

use super::letters::{ALPHABET, Letters, symbol};

const NONE: u32 = u32::MAX;
/// Smallest table of heads.
const FEWEST: usize = 1024;

/// The deletion neighbourhoods of many plates. A plate is named by its slot, a number that the caller chooses.
#[derive(Debug, Clone)]
pub struct Index {
    /// The first link of each chain; their number is a power of two.
    heads: Vec<u32>,
    links: Vec<Link>,
}

#[derive(Debug, Clone, Copy)]
struct Link {
    key: u32,
    slot: u32,
    next: u32,
}

impl Default for Index {
    fn default() -> Self {
        Self::with_capacity(0)
    }
}

impl Index {
    /// An empty index with room for `plates` plates of usual length.
    pub fn with_capacity(plates: usize) -> Self {
        let links = plates.saturating_mul(29);
        Self { heads: vec![NONE; links.max(FEWEST).next_power_of_two()], links: Vec::with_capacity(links) }
    }

    /// Adds a plate.
    pub fn insert(&mut self, plate: &Letters, slot: u32) {
        for_each_key(plate, |key| {
            let chain = self.chain_of(key);
            let next = std::mem::replace(&mut self.heads[chain], place(self.links.len()));
            self.links.push(Link { key, slot, next });
        });
        if self.links.len() > self.heads.len() {
            self.grow();
        }
    }

    /// Visits the slots of the plates that share a key with this one, each once, in the order of `seen`'s own.
    pub fn for_each_candidate(&self, plate: &Letters, seen: &mut Seen, mut visit: impl FnMut(u32)) {
        seen.begin();
        for_each_key(plate, |key| {
            let mut at = self.heads[self.chain_of(key)];
            while at != NONE {
                let link = self.links[at as usize];
                if link.key == key && seen.is_first(link.slot) {
                    visit(link.slot);
                }
                at = link.next;
            }
        });
    }

    fn chain_of(&self, key: u32) -> usize {
        key as usize & (self.heads.len() - 1)
    }

    fn grow(&mut self) {
        self.heads = vec![NONE; self.heads.len() * 4];
        for number in 0..self.links.len() {
            let chain = self.chain_of(self.links[number].key);
            self.links[number].next = std::mem::replace(&mut self.heads[chain], place(number));
        }
    }
}

fn place(number: usize) -> u32 {
    u32::try_from(number).expect("an index holds fewer than four thousand million keys")
}

/// Which slots a search has met: kept from search to search, so that none has to clear it.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    search: u32,
    last: Vec<u32>,
}

impl Seen {
    fn begin(&mut self) {
        self.search = self.search.wrapping_add(1);
        if self.search == 0 {
            self.last.fill(0);
            self.search = 1;
        }
    }

    fn is_first(&mut self, slot: u32) -> bool {
        let slot = slot as usize;
        if slot >= self.last.len() {
            self.last.resize(slot + 1, 0);
        }
        std::mem::replace(&mut self.last[slot], self.search) != self.search
    }
}

/// Visits the keys of a plate: of its skeleton, and of that with one or two places deleted. Some come twice.
fn for_each_key(plate: &Letters, mut visit: impl FnMut(u32)) {
    let mut skeleton: u64 = 0;
    for code in plate.codes().iter().rev() {
        skeleton = skeleton << 4 | u64::from(ALPHABET.class[symbol(*code)]);
    }
    visit(hash(skeleton));
    let length = plate.len();
    for first in 0..length {
        // Of a run of equal classes any one gives the same text.
        if first > 0 && nibble(skeleton, first) == nibble(skeleton, first - 1) {
            continue;
        }
        let one = delete(skeleton, first);
        visit(hash(one));
        for second in first..length - 1 {
            if second > first && nibble(one, second) == nibble(one, second - 1) {
                continue;
            }
            visit(hash(delete(one, second)));
        }
    }
}

fn nibble(skeleton: u64, place: usize) -> u64 {
    skeleton >> (4 * place) & 15
}

fn delete(skeleton: u64, place: usize) -> u64 {
    let below = (1_u64 << (4 * place)) - 1;
    let above = if place == 15 { 0 } else { skeleton >> (4 * (place + 1)) };
    skeleton & below | above << (4 * place)
}

fn hash(skeleton: u64) -> u32 {
    let mixed = (skeleton ^ skeleton >> 32).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    ((mixed ^ mixed >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 32) as u32
}

#[cfg(test)]
mod tests {
    use parking::Plate;

    use super::*;

    fn letters(text: &str) -> Letters {
        Letters::of(&Plate::from_read(text).unwrap())
    }

    fn found(stored: &[&str], sought: &str) -> Vec<u32> {
        let mut index = Index::default();
        for (slot, plate) in stored.iter().enumerate() {
            index.insert(&letters(plate), place(slot));
        }
        let mut found = Vec::new();
        index.for_each_candidate(&letters(sought), &mut Seen::default(), |slot| found.push(slot));
        found.sort_unstable();
        found
    }

    #[test]
    fn two_edits_and_any_number_of_look_alikes_are_found() {
        let stored = ["AB12CDE", "A812CDE", "AB12CD", "AB12C", "XAB12CDE", "AB93CDE", "VW93HJT"];
        assert_eq!(found(&stored, "AB12CDE"), [0, 1, 2, 3, 4, 5]);
        assert_eq!(found(&["0ODQCG6"], "GC6D0OQ"), [0]);
    }

    #[test]
    fn the_longest_plates_and_the_empty_one_do_no_harm() {
        assert_eq!(found(&["", "A", "ABCDEFGH12345678"], "BBCDEFGH12345678"), [2]);
        assert_eq!(found(&["", "A"], ""), [0, 1]);
    }

    #[test]
    fn a_grown_index_finds_what_it_held_before() {
        let plates: Vec<String> = (0..3000).map(|number| format!("K{number:04}AB")).collect();
        let stored: Vec<&str> = plates.iter().map(String::as_str).collect();
        assert!(found(&stored, "K0000AB").contains(&0) && found(&stored, "K2999AB").contains(&2999));
    }
}
