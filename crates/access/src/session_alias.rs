//! Aliases of session ids, for principals that may not read plates.
//!
//! A session's id holds a hash of its lot, plate, event id and time. The hash has no key and is fast, so that every
//! machine computes the same id, and anybody with the rest of its input finds the plate by trying: of a masked plate of
//! seven, 46,656 candidates. Principals without `read_plate` therefore get an alias instead, in lists, cursors, feeds and
//! links alike, and the same key turns it back.
//!
//! The alias keeps the time in its first 48 bits, so that it sorts as ids do. The 74 bits of hash go through a Feistel
//! network of ten rounds with HMAC-SHA256, as format-preserving encryption does it.

use parking::SessionId;
use uuid::Uuid;

use crate::Keyring;

/// Half of the 74 bits of a UUID of version 8 that are neither time, version nor variant.
const HALF_BITS: u32 = 37;
const HALF: u64 = (1 << HALF_BITS) - 1;
const ROUNDS: u8 = 10;
const LABEL: &str = "dwell session alias 1";
/// The two parts of the hash, on both sides of the two bits of the variant.
const LOW_BITS: u32 = 62;
const HIGH_AT: u32 = 64;
const HIGH_BITS: u32 = 12;

/// The alias of a session, by the newest key. It stops to work when the key is rotated.
pub fn session_alias(keys: &Keyring, session: SessionId) -> Uuid {
    permuted(keys, session.as_uuid(), false)
}

/// The session of an alias. For a UUID that is no alias it is the id of no session, but for a chance of one in 2^74.
pub fn session_of_alias(keys: &Keyring, alias: Uuid) -> SessionId {
    SessionId::from_uuid(permuted(keys, alias, true))
}

fn permuted(keys: &Keyring, id: Uuid, is_inverse: bool) -> Uuid {
    let number = id.as_u128();
    let (low_mask, high_mask) = ((1_u128 << LOW_BITS) - 1, ((1_u128 << HIGH_BITS) - 1) << HIGH_AT);
    let fixed = number & !(low_mask | high_mask);
    let hash = (number & low_mask) | (number & high_mask) >> (HIGH_AT - LOW_BITS);
    let half = |bits: u128| u64::try_from(bits & u128::from(HALF)).expect("37 bits fit");
    let (mut left, mut right) = (half(hash >> HALF_BITS), half(hash));
    let round = |number: u8, half: u64| {
        let mut input = fixed.to_be_bytes().to_vec();
        input.push(number);
        input.extend(half.to_be_bytes());
        let mac = keys.mac(keys.newest(), LABEL, &input).expect("a ring holds its newest key");
        u64::from_be_bytes(*mac.first_chunk().expect("an HMAC-SHA256 is longer")) & HALF
    };
    if is_inverse {
        for number in (0..ROUNDS).rev() {
            (left, right) = (right ^ round(number, left), left);
        }
    } else {
        for number in 0..ROUNDS {
            (left, right) = (right, left ^ round(number, right));
        }
    }
    let hash = u128::from(left) << HALF_BITS | u128::from(right);
    Uuid::from_u128(fixed | hash & low_mask | (hash >> LOW_BITS) << HIGH_AT)
}

#[cfg(test)]
mod tests {
    use parking::{Direction, EventKey, LotId, Plate, Timestamp, Vehicle};
    use proptest::prelude::*;

    use super::*;

    fn keys() -> Keyring {
        Keyring::from_random(&[1; 32])
    }

    fn session(plate: &str) -> SessionId {
        let vehicle = Vehicle { lot: LotId::default(), plate: Plate::named(plate).unwrap() };
        let time = Timestamp::from_millis(1_700_000_000_000);
        SessionId::of_event(&vehicle, &EventKey { time, direction: Direction::Entry, id: Uuid::from_u128(7) })
    }

    /// The plates with the mask `AB•••12` that give this id, among all.
    fn plates_of(id: Uuid) -> Vec<String> {
        let candidates = (0..1_000).map(|middle| format!("AB{middle:03}12"));
        candidates.filter(|plate| session(plate).as_uuid() == id).collect()
    }

    #[test]
    fn trying_all_plates_finds_that_of_an_id_and_none_of_an_alias() {
        let session = session("AB34512");
        assert_eq!(plates_of(session.as_uuid()), ["AB34512"], "an id alone does not hide a plate");
        assert_eq!(plates_of(session_alias(&keys(), session)), Vec::<String>::new());
    }

    #[test]
    fn an_alias_depends_on_its_key() {
        let session = session("AB34512");
        let other = Keyring::from_random(&[2; 32]);
        assert_ne!(session_alias(&keys(), session), session_alias(&other, session));
        assert_ne!(session_of_alias(&other, session_alias(&keys(), session)), session);
    }

    proptest! {
        #[test]
        fn an_alias_leads_back_to_its_session_and_keeps_time_version_and_variant(number: u128) {
            let id = uuid::Builder::from_custom_bytes(number.to_be_bytes()).into_uuid();
            let alias = session_alias(&keys(), SessionId::from_uuid(id));
            prop_assert_eq!(session_of_alias(&keys(), alias).as_uuid(), id);
            prop_assert_eq!(alias.as_u128() >> 80, id.as_u128() >> 80);
            prop_assert_eq!((alias.get_version_num(), alias.get_variant()), (8, uuid::Variant::RFC4122));
            prop_assert_ne!(alias, id);
        }

        #[test]
        fn every_bit_of_a_hash_changes_about_half_of_its_alias(number: u128, bit in 0_u32..74) {
            let id = uuid::Builder::from_custom_bytes(number.to_be_bytes()).into_uuid().as_u128();
            let at = if bit < LOW_BITS { bit } else { bit - LOW_BITS + HIGH_AT };
            let alias = |id: u128| session_alias(&keys(), SessionId::from_uuid(Uuid::from_u128(id))).as_u128();
            let changed = (alias(id) ^ alias(id ^ 1 << at)).count_ones();
            prop_assert!((12..=62).contains(&changed), "{changed} of 74 bits changed");
        }
    }
}
