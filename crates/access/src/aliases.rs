//! Aliases of ids, for principals that may not read plates.
//!
//! A session's id holds a hash of its lot, plate, event id and time. The hash has no key and is fast, so that every
//! machine computes the same id, and anybody with the rest of its input finds the plate by trying: of a masked plate of
//! seven, 46,656 candidates. Principals without `read_plate` therefore get aliases instead, in lists, cursors, feeds
//! and links alike, and the same key turns them back. Ids of events get aliases too: they are a part of that input, and
//! other systems may know their plates.
//!
//! The alias of a session keeps the time in its first 48 bits, so that it sorts by time as ids do. The other bits go
//! through a Feistel network of ten rounds with HMAC-SHA256, as in format-preserving encryption.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use parking::SessionId;
use sha2::Sha256;
use uuid::Uuid;

use crate::HASH_BYTES;

const ROUNDS: u8 = 10;
/// The bits of a UUID behind its variant, between variant and version, and before its version.
const LOW_BITS: u32 = 62;
const MIDDLE_AT: u32 = 64;
const MIDDLE_BITS: u32 = 12;
const HIGH_AT: u32 = 80;
const HIGH_BITS: u32 = 48;

/// The bits of an id that its alias replaces. Version and variant always stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Replaced {
    /// All but the time of a session's id: 74 bits.
    Hash,
    /// All: 122 bits.
    All,
}

impl Replaced {
    const fn half_bits(self) -> u32 {
        match self {
            Self::Hash => LOW_BITS.midpoint(MIDDLE_BITS),
            Self::All => (LOW_BITS + MIDDLE_BITS + HIGH_BITS) / 2,
        }
    }

    /// The replaced bits, side by side, and the id without them.
    const fn taken(self, id: u128) -> (u128, u128) {
        let (low, middle) = (id & ones(LOW_BITS), id >> MIDDLE_AT & ones(MIDDLE_BITS));
        let high = match self {
            Self::Hash => 0,
            Self::All => id >> HIGH_AT,
        };
        (low | middle << LOW_BITS | high << (LOW_BITS + MIDDLE_BITS), id & !Self::placed(low, middle, high))
    }

    /// The opposite of `taken`.
    const fn given(bits: u128, rest: u128) -> u128 {
        let middle = bits >> LOW_BITS & ones(MIDDLE_BITS);
        rest | Self::placed(bits & ones(LOW_BITS), middle, bits >> (LOW_BITS + MIDDLE_BITS))
    }

    const fn placed(low: u128, middle: u128, high: u128) -> u128 {
        low | middle << MIDDLE_AT | high << HIGH_AT
    }
}

const fn ones(bits: u32) -> u128 {
    (1 << bits) - 1
}

/// The aliases of one ledger. `Debug` does not show the key.
#[derive(Clone)]
pub struct Aliases {
    sessions: Hmac<Sha256>,
    events: Hmac<Sha256>,
}

impl Aliases {
    /// The aliases of a key, which has to come from a generator that is fit for secrets.
    pub fn new(key: &[u8; HASH_BYTES]) -> Self {
        Self { sessions: keyed(key, "dwell session alias 1"), events: keyed(key, "dwell event alias 1") }
    }

    /// The alias of a session.
    pub fn of_session(&self, session: SessionId) -> Uuid {
        permuted(&self.sessions, Replaced::Hash, session.as_uuid(), false)
    }

    /// The session of an alias. For a UUID that is no alias it is the id of no session, but for a chance of one in
    /// 2^74.
    pub fn session(&self, alias: Uuid) -> SessionId {
        SessionId::from_uuid(permuted(&self.sessions, Replaced::Hash, alias, true))
    }

    /// The alias of an event's id.
    pub fn of_event(&self, event: Uuid) -> Uuid {
        permuted(&self.events, Replaced::All, event, false)
    }

    /// The event of an alias. For a UUID that is no alias it is the id of no event, but for a chance of one in 2^122.
    pub fn event(&self, alias: Uuid) -> Uuid {
        permuted(&self.events, Replaced::All, alias, true)
    }
}

impl fmt::Debug for Aliases {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Aliases").finish_non_exhaustive()
    }
}

/// The key is hashed once, not in each round.
fn keyed(key: &[u8; HASH_BYTES], label: &str) -> Hmac<Sha256> {
    let mut mac = Hmac::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(label.as_bytes());
    mac.update(&[0]);
    mac
}

fn permuted(mac: &Hmac<Sha256>, replaced: Replaced, id: Uuid, is_inverse: bool) -> Uuid {
    let (bits, rest) = replaced.taken(id.as_u128());
    let half_bits = replaced.half_bits();
    let half = |bits: u128| u64::try_from(bits & ones(half_bits)).expect("a half has at most 61 bits");
    let (mut left, mut right) = (half(bits >> half_bits), half(bits));
    let round = |number: u8, input: u64| {
        let mut mac = mac.clone();
        mac.update(&rest.to_be_bytes());
        mac.update(&[number]);
        mac.update(&input.to_be_bytes());
        let hash: [u8; HASH_BYTES] = mac.finalize().into_bytes().into();
        half(u128::from(u64::from_be_bytes(*hash.first_chunk().expect("an HMAC-SHA256 is longer"))))
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
    Uuid::from_u128(Replaced::given(u128::from(left) << half_bits | u128::from(right), rest))
}

#[cfg(test)]
mod tests {
    use parking::{Direction, EventKey, LotId, Plate, Timestamp, Vehicle};
    use proptest::prelude::*;

    use super::*;

    fn aliases() -> Aliases {
        Aliases::new(&[1; 32])
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

    fn uuid(number: u128) -> Uuid {
        uuid::Builder::from_custom_bytes(number.to_be_bytes()).into_uuid()
    }

    #[test]
    fn trying_all_plates_finds_that_of_an_id_and_none_of_an_alias() {
        let session = session("AB34512");
        assert_eq!(plates_of(session.as_uuid()), ["AB34512"], "an id alone does not hide a plate");
        assert_eq!(plates_of(aliases().of_session(session)), Vec::<String>::new());
    }

    #[test]
    fn an_alias_depends_on_its_key_and_on_what_it_is_of() {
        let (session, other) = (session("AB34512"), Aliases::new(&[2; 32]));
        assert_ne!(aliases().of_session(session), other.of_session(session));
        assert_ne!(other.session(aliases().of_session(session)), session);
        assert_ne!(aliases().of_event(session.as_uuid()), aliases().of_session(session));
        assert_eq!(format!("{other:?}"), "Aliases { .. }");
    }

    proptest! {
        #[test]
        fn an_alias_leads_back_to_its_session_and_keeps_time_version_and_variant(number: u128) {
            let id = uuid(number);
            let alias = aliases().of_session(SessionId::from_uuid(id));
            prop_assert_eq!(aliases().session(alias).as_uuid(), id);
            prop_assert_eq!(alias.as_u128() >> 80, id.as_u128() >> 80);
            prop_assert_eq!((alias.get_version_num(), alias.get_variant()), (8, uuid::Variant::RFC4122));
            prop_assert_ne!(alias, id);
        }

        #[test]
        fn an_alias_leads_back_to_its_event_whatever_its_version(number: u128) {
            for id in [Uuid::from_u128(number), uuid(number)] {
                let alias = aliases().of_event(id);
                prop_assert_eq!(aliases().event(alias), id);
                prop_assert_eq!(alias.get_version_num(), id.get_version_num());
                prop_assert_ne!(alias, id);
            }
        }

        #[test]
        fn every_bit_of_a_hash_changes_about_half_of_its_alias(number: u128, bit in 0_u32..74) {
            let id = uuid(number).as_u128();
            let at = if bit < LOW_BITS { bit } else { bit - LOW_BITS + MIDDLE_AT };
            let alias = |id: u128| aliases().of_session(SessionId::from_uuid(Uuid::from_u128(id))).as_u128();
            let changed = (alias(id) ^ alias(id ^ 1 << at)).count_ones();
            prop_assert!((12..=62).contains(&changed), "{changed} of 74 bits changed");
        }

        #[test]
        fn every_bit_of_an_event_changes_about_half_of_its_alias(number: u128, bit in 0_u32..128) {
            prop_assume!(!(62..64).contains(&bit) && !(76..80).contains(&bit));
            let alias = |id: u128| aliases().of_event(Uuid::from_u128(id)).as_u128();
            let changed = (alias(number) ^ alias(number ^ 1 << bit)).count_ones();
            prop_assert!((28..=94).contains(&changed), "{changed} of 122 bits changed");
        }
    }
}
