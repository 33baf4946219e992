//! The storage format of a timeline outside of this process: its key and its bytes.
//!
//! Data of another ledger or release, or corrupt data, must not be read as a timeline. So the key contains the format
//! number and the ledger's id, and the value a checksum over itself and its key. The adapter talks to the store.

use matching::Snapshot;
use parking::Vehicle;
use uuid::Uuid;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// Increment with every change to the layout of a value or of its types: the bytes do not describe themselves.
const FORMAT: u8 = 1;
/// A value begins with the format number and the checksum.
const HEADER_BYTES: usize = 1 + size_of::<u64>();

/// The keys of one ledger's timelines.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    prefix: String,
}

impl Keys {
    pub(super) fn new(ledger: Uuid) -> Self {
        Self { prefix: format!("dwell:t{FORMAT}:{ledger}:") }
    }

    /// The key of a vehicle. The braces are a cluster's hash tag: they spread vehicles over the nodes whatever the
    /// prefix is.
    pub(super) fn of(&self, vehicle: &Vehicle) -> String {
        format!("{}{{{}:{}}}", self.prefix, vehicle.lot, vehicle.plate)
    }

    /// A key that no vehicle has.
    pub(super) fn probe(&self) -> String {
        format!("{}probe", self.prefix)
    }
}

/// The bytes of a snapshot for `key`.
pub(super) fn encode(key: &str, snapshot: &Snapshot) -> Vec<u8> {
    let value = postcard::to_extend(snapshot, vec![0; HEADER_BYTES]);
    let mut value = value.expect("a snapshot is numbers and lists, and a Vec takes all of them");
    let checksum = checksum(key, &value[HEADER_BYTES..]);
    value[0] = FORMAT;
    value[1..HEADER_BYTES].copy_from_slice(&checksum.to_le_bytes());
    value
}

/// Decodes the snapshot that [`encode`] wrote for `key`; `None` for anything else.
pub(super) fn decode(key: &str, value: &[u8]) -> Option<Snapshot> {
    let (&format, rest) = value.split_first()?;
    let (written, payload) = rest.split_first_chunk()?;
    let intact = format == FORMAT && u64::from_le_bytes(*written) == checksum(key, payload);
    if intact { postcard::from_bytes(payload).ok() } else { None }
}

fn checksum(key: &str, payload: &[u8]) -> u64 {
    xxh3_64_with_seed(payload, xxh3_64(key.as_bytes()))
}

#[cfg(test)]
mod tests {
    use matching::{ExpectedVersion, Flags, Timeline, TimelineEvent};
    use parking::{Direction, EventKey, LotId, Plate, Timestamp};
    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "dwell:t1:00000000-0000-0000-0000-000000000007:{P3:ABC123}";

    const GOLDEN: &str = "[01, b1, 01, f9, dc, 91, 8b, 72, c4, ac, 02, 07, 01, 01, 01, fa, ab, 92, b4, c4, 64, 01, \
        10, 9b, 81, 0e, 76, 6e, c9, 42, 86, a3, ca, 82, 8d, d5, f4, b3, b2, 01]";

    fn snapshot() -> Snapshot {
        let key = EventKey {
            time: Timestamp::from_millis(1_727_168_400_125),
            direction: Direction::Exit,
            id: Uuid::from_u128(0x9b81_0e76_6ec9_4286_a3ca_828d_d5f4_b3b2),
        };
        let event = TimelineEvent { key, flags: Flags::ENDED };
        let timeline = Timeline::new(Some(Timestamp::from_millis(-1)), vec![event]);
        Snapshot { base: ExpectedVersion { version: 300, digest: 7 }, timeline }
    }

    #[test]
    fn a_key_names_format_ledger_lot_and_plate() {
        let vehicle = Vehicle { lot: LotId::parse("P3").unwrap(), plate: Plate::from_read("ABC-123").unwrap() };
        assert_eq!(Keys::new(Uuid::from_u128(7)).of(&vehicle), KEY);
    }

    #[test]
    fn a_value_of_this_format_never_changes_from_release_to_release() {
        let value = encode(KEY, &snapshot());
        assert_eq!(format!("{value:02x?}"), GOLDEN, "raise FORMAT when the layout changes");
    }

    #[test]
    fn only_a_whole_value_of_its_own_key_is_taken() {
        let value = encode(KEY, &snapshot());
        assert_eq!(decode(KEY, &value), Some(snapshot()));
        assert_eq!(decode(&KEY.replace('3', "4"), &value), None);
        for length in 0..value.len() {
            assert_eq!(decode(KEY, &value[..length]), None, "cut to {length}");
        }
        for index in 0..value.len() {
            let mut damaged = value.clone();
            damaged[index] ^= 0x10;
            assert_eq!(decode(KEY, &damaged), None, "damaged at {index}");
        }
    }

    proptest! {
        #[test]
        fn garbage_is_no_timeline(garbage in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(decode(KEY, &garbage), None);
        }
    }
}
