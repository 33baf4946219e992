//! The deletion neighbourhoods of plates that come and go: finds what [`Index`](super::index::Index) finds, by the keys
//! of that file, without being rebuilt.
//!
//! Each bucket is a chain of links, and links that are free are a chain too. The buckets double when there are more
//! links than buckets.

use super::index::{Seen, for_each_key};
use super::letters::Letters;

/// Fewest buckets.
const BUCKETS_MIN: usize = 1024;
/// The end of a chain, and the slot of a free link.
const NONE: u32 = u32::MAX;

/// Plates by what is left of them when one or two places are deleted. A plate is named by its slot.
#[derive(Debug, Clone)]
pub(super) struct ChangingIndex {
    /// The first link of each bucket. The buckets are a power of two.
    heads: Vec<u32>,
    links: Vec<Link>,
    /// The first free link.
    free: u32,
}

#[derive(Debug, Clone, Copy)]
struct Link {
    key: u32,
    slot: u32,
    next: u32,
}

impl Default for ChangingIndex {
    fn default() -> Self {
        Self { heads: vec![NONE; BUCKETS_MIN], links: Vec::new(), free: NONE }
    }
}

impl ChangingIndex {
    /// Adds a plate under a slot that is in no use.
    pub(super) fn insert(&mut self, plate: &Letters, slot: u32) {
        for_each_key(plate, |key| self.add(key, slot));
        if self.links.len() > self.heads.len() {
            self.grow();
        }
    }

    /// Takes out a plate that was added under this slot.
    pub(super) fn remove(&mut self, plate: &Letters, slot: u32) {
        for_each_key(plate, |key| self.take(key, slot));
    }

    /// Visits the slots of the plates that share a key with this one, each once, in no particular order.
    pub(super) fn for_each_candidate(&self, plate: &Letters, seen: &mut Seen, mut visit: impl FnMut(u32)) {
        seen.begin();
        for_each_key(plate, |key| {
            let mut at = self.heads[self.bucket(key)];
            while let Some(link) = self.links.get(at as usize) {
                if link.key == key && seen.is_first(link.slot) {
                    visit(link.slot);
                }
                at = link.next;
            }
        });
    }

    /// The memory of the index, bytes.
    pub(super) fn bytes(&self) -> usize {
        self.heads.capacity() * size_of::<u32>() + self.links.capacity() * size_of::<Link>()
    }

    fn bucket(&self, key: u32) -> usize {
        key as usize & (self.heads.len() - 1)
    }

    fn add(&mut self, key: u32, slot: u32) {
        let bucket = self.bucket(key);
        let link = Link { key, slot, next: self.heads[bucket] };
        let at = self.free;
        if let Some(free) = self.links.get_mut(at as usize) {
            self.free = free.next;
            *free = link;
            self.heads[bucket] = at;
        } else {
            self.heads[bucket] = u32::try_from(self.links.len()).expect("an index has fewer than 2^32 - 1 links");
            self.links.push(link);
        }
    }

    fn take(&mut self, key: u32, slot: u32) {
        let bucket = self.bucket(key);
        let (mut before, mut at) = (NONE, self.heads[bucket]);
        while let Some(link) = self.links.get(at as usize).copied() {
            if (link.key, link.slot) == (key, slot) {
                match self.links.get_mut(before as usize) {
                    Some(before) => before.next = link.next,
                    None => self.heads[bucket] = link.next,
                }
                self.links[at as usize] = Link { key: 0, slot: NONE, next: self.free };
                self.free = at;
                return;
            }
            (before, at) = (at, link.next);
        }
    }

    fn grow(&mut self) {
        self.heads = vec![NONE; self.heads.len() * 2];
        for at in 0..self.links.len() {
            let Link { key, slot, .. } = self.links[at];
            if slot != NONE {
                let bucket = self.bucket(key);
                let at_link = u32::try_from(at).expect("an index has fewer than 2^32 - 1 links");
                self.links[at].next = std::mem::replace(&mut self.heads[bucket], at_link);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use parking::Plate;
    use proptest::prelude::*;

    use super::*;
    use crate::misread::index::Index;

    fn letters(text: &str) -> Letters {
        Letters::of(&Plate::from_read(text).unwrap())
    }

    fn sorted(mut slots: Vec<u32>) -> Vec<u32> {
        slots.sort_unstable();
        slots
    }

    proptest! {
        #[test]
        fn plates_that_came_and_went_leave_what_an_index_of_the_rest_has(
            steps in prop::collection::vec(("[AB08]{0,6}", any::<bool>()), 1..400),
            sought in "[AB08]{1,6}",
        ) {
            let (mut index, mut held) = (ChangingIndex::default(), Vec::<Option<Letters>>::new());
            for (text, is_added) in steps {
                let first = held.iter().position(Option::is_some);
                if let Some(slot) = first.filter(|_| !is_added) {
                    index.remove(&held[slot].take().unwrap(), u32::try_from(slot).unwrap());
                } else {
                    let slot = held.iter().position(Option::is_none).unwrap_or(held.len());
                    held.resize(held.len().max(slot + 1), None);
                    held[slot] = Some(letters(&text));
                    index.insert(&letters(&text), u32::try_from(slot).unwrap());
                }
            }
            let (mut found, mut expected) = (Vec::new(), Vec::new());
            index.for_each_candidate(&letters(&sought), &mut Seen::default(), |slot| found.push(slot));
            let kept: Vec<(u32, Letters)> = (0..).zip(&held).filter_map(|(slot, plate)| Some((slot, (*plate)?))).collect();
            let rebuilt = Index::of_plates(kept.iter().map(|(_, plate)| plate));
            rebuilt.for_each_candidate(&letters(&sought), &mut Seen::default(), |place| expected.push(kept[place as usize].0));
            prop_assert_eq!(sorted(found), sorted(expected));
        }
    }

    #[test]
    fn an_index_that_grew_finds_the_first_and_the_last() {
        let mut index = ChangingIndex::default();
        let plate = |number: u32| letters(&format!("K{number:04}AB"));
        (0..3_000).for_each(|number| index.insert(&plate(number), number));
        (1_000..2_000).for_each(|number| index.remove(&plate(number), number));
        let found = |number: u32| {
            let mut found = Vec::new();
            index.for_each_candidate(&plate(number), &mut Seen::default(), |slot| found.push(slot));
            found.contains(&number)
        };
        assert_eq!([0, 999, 1_000, 1_999, 2_000, 2_999].map(found), [true, true, false, false, true, true]);
    }
}
