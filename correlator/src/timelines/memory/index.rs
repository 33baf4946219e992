//! Places by hash, in six bytes each, so that to look one up takes one line of memory.
//!
//! Slots follow each other from where the hash leads to, the nearer to it the sooner ("Robin Hood" hashing). So they stay
//! near, and what is removed leaves no mark: those behind it move up. It is never more than three quarters full.

/// Where entries are, by the hash of their names. Whose place is one is left to the caller.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// As many as a power of two.
    slots: Vec<Slot>,
    len: usize,
}

/// No number in it is aligned, so that it has no room to waste.
#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    place: [u8; 4],
    /// The last byte of the hash, and so of the slot that the hash leads to.
    home: u8,
    /// The first byte of the hash, but never 0: that is a free slot.
    tag: u8,
}

/// The most memory for each place.
pub(super) const BYTES: usize = size_of::<Slot>() * 8 / 3;

/// So many that a byte tells how far a slot lies behind its home.
const SLOTS_MIN: usize = 256;

impl Slot {
    fn new(hash: u64, place: u32) -> Self {
        Self { place: place.to_le_bytes(), home: hash.to_le_bytes()[0], tag: tag(hash) }
    }

    fn place(self) -> u32 {
        u32::from_le_bytes(self.place)
    }

    fn is_free(self) -> bool {
        self.tag == 0
    }

    /// How far it lies behind where its hash leads to. None lies 256 behind: with places as near as these, the chance of
    /// each slot more is about a half, as for a queue that is three quarters busy.
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

    /// The first place with this hash, or with one that is like it, that is the one looked for.
    #[inline]
    pub(super) fn find(&self, hash: u64, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        let mut at = self.home(hash);
        loop {
            let slot = *self.slots.get(at)?;
            if slot.tag == tag(hash) && is_it(slot.place()) {
                return Some(slot.place());
            }
            if slot.is_free() {
                return None;
            }
            at = self.next(at);
        }
    }

    /// Adds a place that is not there. `hash_of` says the hashes of those that are.
    #[inline]
    pub(super) fn insert(&mut self, hash: u64, place: u32, hash_of: impl Fn(u32) -> u64) {
        if (self.len + 1) * 4 > self.slots.len() * 3 {
            self.grow(hash_of);
        }
        self.len += 1;
        self.add(Slot::new(hash, place), self.home(hash));
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
                self.add(slot, self.home(hash_of(slot.place())));
            }
        }
    }

    /// Takes out a place that is there.
    #[inline]
    pub(super) fn remove(&mut self, hash: u64, place: u32) {
        let mut at = self.home(hash);
        while self.slots[at].place != place.to_le_bytes() || self.slots[at].is_free() {
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

    /// Few hashes, whose homes are neighbours and lie on both sides of the end, so that most collide.
    fn hash() -> impl Strategy<Value = u64> {
        (0..3_u64, 0..12_u64).prop_map(|(tag, home)| tag << 56 | (home.wrapping_sub(6) & 0x00FF_FFFF))
    }

    proptest! {
        #[test]
        fn an_index_is_a_map_from_place_to_hash(
            calls in prop::collection::vec((0..240_u32, prop::option::weighted(0.9, hash())), 0..1_000),
        ) {
            let (mut index, mut model) = (Index::default(), BTreeMap::new());
            for (place, hash) in calls {
                if let Some(hash) = model.remove(&place) {
                    index.remove(hash, place);
                }
                if let Some(hash) = hash {
                    index.insert(hash, place, |other| model[&other]);
                    model.insert(place, hash);
                }
                prop_assert_eq!(index.len(), model.len());
                prop_assert_eq!(find(&index, &model, place), model.contains_key(&place).then_some(place));
            }
            for place in 0..240 {
                prop_assert_eq!(find(&index, &model, place), model.contains_key(&place).then_some(place));
            }
        }
    }

    fn find(index: &Index, model: &BTreeMap<u32, u64>, place: u32) -> Option<u32> {
        index.find(model.get(&place).copied().unwrap_or(0), |other| other == place)
    }
}
