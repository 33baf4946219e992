//! A Robin Hood hash table from hash to entry index, six bytes a slot, so that a lookup touches one cache line.
//!
//! Linear probing; an insertion displaces slots that are nearer to their home. Probe distances stay short, and
//! removal needs no tombstones: the following slots move back. The table is at most three quarters full.

/// A hash table of entry indices. The caller compares the keys.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// A power of two.
    slots: Vec<Slot>,
    len: usize,
}

/// Byte arrays instead of integers: alignment 1, no padding.
#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    entry_index: [u8; 4],
    /// The last byte of the hash, and so of the home slot.
    home: u8,
    /// The first byte of the hash, but never 0, which means a free slot.
    tag: u8,
}

/// The maximum memory per entry, in bytes.
pub(super) const ENTRY_BYTES_MAX: usize = size_of::<Slot>() * 8 / 3;

/// Large enough that one byte holds the distance of a slot from its home.
const SLOTS_MIN: usize = 256;

impl Slot {
    fn new(hash: u64, entry_index: u32) -> Self {
        Self { entry_index: entry_index.to_le_bytes(), home: hash.to_le_bytes()[0], tag: tag(hash) }
    }

    fn entry_index(self) -> u32 {
        u32::from_le_bytes(self.entry_index)
    }

    fn is_free(self) -> bool {
        self.tag == 0
    }

    /// The distance from its home slot. It stays below 256: at this load, the probability of each further step is
    /// about a half, as in a queue that is three quarters busy.
    fn distance(self, at: usize) -> u8 {
        at.to_le_bytes()[0].wrapping_sub(self.home)
    }
}

fn tag(hash: u64) -> u8 {
    hash.to_be_bytes()[0].max(1)
}

impl Index {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The first index with this hash, or with the same tag, that satisfies `is_it`.
    #[inline]
    pub(super) fn find(&self, hash: u64, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        let mut at = self.home(hash);
        loop {
            let slot = *self.slots.get(at)?;
            if slot.tag == tag(hash) && is_it(slot.entry_index()) {
                return Some(slot.entry_index());
            }
            if slot.is_free() {
                return None;
            }
            at = self.next(at);
        }
    }

    /// Adds an index that is not in the table. `hash_of` returns the hashes of the others.
    #[inline]
    pub(super) fn insert(&mut self, hash: u64, entry_index: u32, hash_of: impl Fn(u32) -> u64) {
        if (self.len + 1) * 4 > self.slots.len() * 3 {
            self.grow(hash_of);
        }
        self.len += 1;
        self.add(Slot::new(hash, entry_index), self.home(hash));
    }

    fn add(&mut self, mut slot: Slot, mut at: usize) {
        loop {
            let other = self.slots[at];
            if other.is_free() {
                self.slots[at] = slot;
                return;
            }
            if other.distance(at) < slot.distance(at) {
                self.slots[at] = slot;
                slot = other;
            }
            at = self.next(at);
        }
    }

    #[cold]
    fn grow(&mut self, hash_of: impl Fn(u32) -> u64) {
        let slots = vec![Slot::default(); (self.slots.len() * 2).max(SLOTS_MIN)];
        for slot in std::mem::replace(&mut self.slots, slots) {
            if !slot.is_free() {
                self.add(slot, self.home(hash_of(slot.entry_index())));
            }
        }
    }

    /// Removes an index that is in the table.
    #[inline]
    pub(super) fn remove(&mut self, hash: u64, entry_index: u32) {
        let mut at = self.home(hash);
        while self.slots[at].entry_index != entry_index.to_le_bytes() || self.slots[at].is_free() {
            at = self.next(at);
        }
        self.len -= 1;
        loop {
            let next = self.next(at);
            let behind = self.slots[next];
            if behind.is_free() || behind.distance(next) == 0 {
                self.slots[at] = Slot::default();
                return;
            }
            self.slots[at] = behind;
            at = next;
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "only the last bits count")]
    fn home(&self, hash: u64) -> usize {
        hash as usize & self.slots.len().wrapping_sub(1)
    }

    fn next(&self, at: usize) -> usize {
        (at + 1) & (self.slots.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// Few hashes, with neighbouring homes on both sides of the end, so that most of them collide.
    fn hash() -> impl Strategy<Value = u64> {
        (0..3_u64, 0..12_u64).prop_map(|(tag, home)| tag << 56 | (home.wrapping_sub(6) & 0x00FF_FFFF))
    }

    proptest! {
        #[test]
        fn an_index_is_a_map_from_entry_to_hash(
            calls in prop::collection::vec((0..240_u32, prop::option::weighted(0.9, hash())), 0..1_000),
        ) {
            let (mut index, mut model) = (Index::default(), BTreeMap::new());
            for (entry_index, hash) in calls {
                if let Some(hash) = model.remove(&entry_index) {
                    index.remove(hash, entry_index);
                }
                if let Some(hash) = hash {
                    index.insert(hash, entry_index, |other| model[&other]);
                    model.insert(entry_index, hash);
                }
                prop_assert_eq!(index.len(), model.len());
                prop_assert_eq!(find(&index, &model, entry_index), model.contains_key(&entry_index).then_some(entry_index));
            }
            for entry_index in 0..240 {
                prop_assert_eq!(find(&index, &model, entry_index), model.contains_key(&entry_index).then_some(entry_index));
            }
        }
    }

    fn find(index: &Index, model: &BTreeMap<u32, u64>, entry_index: u32) -> Option<u32> {
        index.find(model.get(&entry_index).copied().unwrap_or(0), |other| other == entry_index)
    }
}
