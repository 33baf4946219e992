//! SipHash-2-4 of plates: one plate, or all plates that differ in the letter at one place.
//!
//! A marginal needs the hashes of some hundred such plates. The function is written out here, so that the hashes of one
//! loop overlap in the processor: with the crate `siphasher` the decision of an unmatched exit takes a third longer.
//! Where the key comes from is left to the caller.

use super::letters::{Letters, WORD};

/// SipHash-2-4 with its key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sip(State);

#[derive(Debug, Clone, Copy)]
struct State {
    v0: u64,
    v1: u64,
    v2: u64,
    v3: u64,
}

impl Sip {
    pub(crate) fn new(key: [u8; 16]) -> Self {
        let [low, high] = super::letters::words_of(key);
        Self(State {
            v0: low ^ 0x736f_6d65_7073_6575,
            v1: high ^ 0x646f_7261_6e64_6f6d,
            v2: low ^ 0x6c79_6765_6e65_7261,
            v3: high ^ 0x7465_6462_7974_6573,
        })
    }

    /// The hash of a plate's codes.
    pub(crate) fn hash(&self, plate: &Letters) -> u64 {
        self.of_words(plate.words(), plate.len())
    }

    /// The hashes of the plate with each code at the place `at`, from `first` on.
    pub(crate) fn hash_each(&self, plate: &Letters, at: usize, first: u8, hashes: &mut [u64]) {
        let (word, shift) = (at / WORD, at % WORD * 8);
        let mut words = plate.words();
        let rest = words[word] & !(0xff << shift);
        for (code, hash) in (u64::from(first)..).zip(hashes) {
            words[word] = rest | code << shift;
            *hash = self.of_words(words, plate.len());
        }
    }

    /// The hash of that many codes, which are padded with zeros.
    #[inline]
    fn of_words(&self, [low, high]: [u64; 2], length: usize) -> u64 {
        let mut state = self.0;
        let mut last = (length as u64) << 56;
        if length < WORD {
            last |= low;
        } else {
            state.take(low);
            if length < 2 * WORD {
                last |= high;
            } else {
                state.take(high);
            }
        }
        state.take(last);
        state.finish()
    }
}

impl State {
    #[inline]
    fn take(&mut self, word: u64) {
        self.v3 ^= word;
        self.round();
        self.round();
        self.v0 ^= word;
    }

    #[inline]
    fn finish(mut self) -> u64 {
        self.v2 ^= 0xff;
        for _ in 0..4 {
            self.round();
        }
        self.v0 ^ self.v1 ^ self.v2 ^ self.v3
    }

    #[inline]
    fn round(&mut self) {
        self.v0 = self.v0.wrapping_add(self.v1);
        self.v2 = self.v2.wrapping_add(self.v3);
        self.v1 = self.v1.rotate_left(13) ^ self.v0;
        self.v3 = self.v3.rotate_left(16) ^ self.v2;
        self.v0 = self.v0.rotate_left(32);
        self.v2 = self.v2.wrapping_add(self.v1);
        self.v0 = self.v0.wrapping_add(self.v3);
        self.v1 = self.v1.rotate_left(17) ^ self.v2;
        self.v3 = self.v3.rotate_left(21) ^ self.v0;
        self.v2 = self.v2.rotate_left(32);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use siphasher::sip::SipHasher24;

    use super::*;
    use crate::misread::reads::tests::read;

    proptest! {
        #[test]
        fn each_hash_is_the_one_of_the_published_function(
            key: [u8; 16],
            text in "[A-Z0-9京]{0,16}",
            place in 0_usize..16,
        ) {
            let plate = read(&text).letters;
            let (sip, published) = (Sip::new(key), SipHasher24::new_with_key(&key));
            prop_assert_eq!(sip.hash(&plate), published.hash(plate.codes()));
            if place < plate.len() {
                let mut hashes = [0; 26];
                sip.hash_each(&plate, place, 10, &mut hashes[..25]);
                for (code, hash) in (10..).zip(&hashes[..25]) {
                    prop_assert_eq!(*hash, published.hash(plate.with(place, code).codes()));
                }
            }
        }
    }
}
