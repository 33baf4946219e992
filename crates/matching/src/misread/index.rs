//! The index of plates: which entries may be the same plate as an exit, found by common deletions.
//!
//! A plate is stored under its skeleton and under every text that is left of it when one or two places are deleted; two
//! plates that share one of these differ by two edits at most, besides look-alikes. Some of what is found is chance:
//! the filter comes behind. The index is kept in memory and rebuilt from the entries.

use super::letters::{ALPHABET, Letters, symbol};

/// Fewest buckets.
const BUCKETS_MIN: usize = 1024;

/// The deletion neighbourhoods of many plates. A plate is named by its slot, its place among those that were put in.
#[derive(Debug, Clone)]
pub struct Index {
    /// For each bucket, where its links begin; the next bucket's begin is its end. The buckets are a power of two.
    begins: Vec<u32>,
    links: Vec<Link>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Link {
    key: u32,
    slot: u32,
}

impl Index {
    /// The index of these plates.
    pub fn of_plates<'a>(plates: impl IntoIterator<Item = &'a Letters>) -> Self {
        let mut unsorted = Vec::new();
        for (slot, plate) in (0..).zip(plates) {
            for_each_key(plate, |key| unsorted.push(Link { key, slot }));
        }
        let buckets = unsorted.len().max(BUCKETS_MIN).next_power_of_two();
        // A counting sort by bucket: what is looked up together lies together.
        let mut begins = vec![0_u32; buckets + 1];
        for link in &unsorted {
            begins[bucket_of(link.key, buckets) + 1] += 1;
        }
        for bucket in 0..buckets {
            begins[bucket + 1] += begins[bucket];
        }
        let mut ends = begins.clone();
        let mut links = vec![Link::default(); unsorted.len()];
        for link in unsorted {
            let end = &mut ends[bucket_of(link.key, buckets)];
            links[*end as usize] = link;
            *end += 1;
        }
        Self { begins, links }
    }

    /// Visits the slots of the plates that share a key with this one, each once, in no particular order.
    pub fn for_each_candidate(&self, plate: &Letters, seen: &mut Seen, mut visit: impl FnMut(u32)) {
        seen.begin();
        for_each_key(plate, |key| {
            let bucket = bucket_of(key, self.begins.len() - 1);
            let (begin, end) = (self.begins[bucket], self.begins[bucket + 1]);
            for link in &self.links[begin as usize..end as usize] {
                if link.key == key && seen.is_first(link.slot) {
                    visit(link.slot);
                }
            }
        });
    }
}

fn bucket_of(key: u32, buckets: usize) -> usize {
    key as usize & (buckets - 1)
}

/// Which slots a search has met: kept from search to search, so that none has to clear it.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    search: u32,
    last: Vec<u32>,
}

impl Seen {
    pub(super) fn begin(&mut self) {
        self.search = self.search.wrapping_add(1);
        if self.search == 0 {
            self.last.fill(0);
            self.search = 1;
        }
    }

    pub(super) fn is_first(&mut self, slot: u32) -> bool {
        let slot = slot as usize;
        if slot >= self.last.len() {
            self.last.resize(slot + 1, 0);
        }
        std::mem::replace(&mut self.last[slot], self.search) != self.search
    }
}

/// Visits the keys of a plate: of its skeleton, and of that with one or two places deleted. Some come twice.
pub(super) fn for_each_key(plate: &Letters, mut visit: impl FnMut(u32)) {
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
        let stored: Vec<Letters> = stored.iter().map(|plate| letters(plate)).collect();
        let index = Index::of_plates(&stored);
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
    fn an_index_of_many_plates_finds_the_first_and_the_last() {
        let plates: Vec<String> = (0..3000).map(|number| format!("K{number:04}AB")).collect();
        let stored: Vec<&str> = plates.iter().map(String::as_str).collect();
        assert!(found(&stored, "K0000AB").contains(&0) && found(&stored, "K2999AB").contains(&2999));
    }
}
