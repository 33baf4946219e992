//! Interns gates: an event carries a small number instead of its gate's name.
//!
//! Only events that name each other in `supersedes` are compared by their gates, but which these are is known when all
//! files are read. Names beyond the numbers share the last one.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// The number of a gate; 0 when it is not known.
pub(super) type GateNumber = u16;
/// The bits of a number.
pub(super) const GATE_BITS: u32 = 15;
/// The number of all gates that have no number of their own.
const OTHERS: GateNumber = (1 << GATE_BITS) - 1;

/// The names up to this length are compared as one number.
const SHORT_BYTES: usize = size_of::<u128>();
/// Slots of the direct-mapped cache from a short name to its number.
const RECENT_GATES: usize = 256;

/// All gates. All threads share it while files are read.
#[derive(Debug, Default)]
pub(super) struct GateInterner(Mutex<HashMap<Box<[u8]>, GateNumber>>);

/// The view of one thread, with a cache of the gates that it has seen.
#[derive(Debug)]
pub(super) struct LocalGates<'a> {
    gates: &'a GateInterner,
    /// Recent gates with a short name: the name and the number.
    recent: Box<[(u128, GateNumber)]>,
    long: HashMap<Box<[u8]>, GateNumber>,
}

impl GateInterner {
    pub(super) fn interner(&self) -> LocalGates<'_> {
        LocalGates { gates: self, recent: vec![(0, 0); RECENT_GATES].into(), long: HashMap::new() }
    }

    fn number(&self, name: &[u8]) -> GateNumber {
        let mut numbers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = numbers.get(name) {
            return *number;
        }
        let next = GateNumber::try_from(numbers.len() + 1).map_or(OTHERS, |next| next.min(OTHERS));
        if next < OTHERS {
            numbers.insert(name.into(), next);
        }
        next
    }
}

impl LocalGates<'_> {
    /// The number of the gate with this name, which is empty when the gate is not known.
    pub(super) fn number(&mut self, name: &[u8]) -> GateNumber {
        if name.is_empty() {
            return 0;
        }
        if name.len() > SHORT_BYTES {
            if let Some(number) = self.long.get(name) {
                return *number;
            }
            let number = self.gates.number(name);
            self.long.insert(name.into(), number);
            return number;
        }
        // A short name as a number is unique: it has no zero byte, and is not empty.
        let mut bytes = [0; SHORT_BYTES];
        bytes[..name.len()].copy_from_slice(name);
        let short = u128::from_le_bytes(bytes);
        let slot = slot_of(short);
        if self.recent[slot].0 != short {
            self.recent[slot] = (short, self.gates.number(name));
        }
        self.recent[slot].1
    }
}

/// The slot of a name among the [`RECENT_GATES`].
fn slot_of(name: u128) -> usize {
    let half = u64::try_from(name >> u64::BITS).unwrap_or(0) ^ u64::try_from(name & u128::from(u64::MAX)).unwrap_or(0);
    usize::try_from(half.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - RECENT_GATES.ilog2())).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gate_has_one_number_in_all_threads_and_an_unknown_one_has_none() {
        let gates = GateInterner::default();
        let (mut one, mut other) = (gates.interner(), gates.interner());
        let long = "a-gate-with-a-name-of-more-than-sixteen-bytes".as_bytes();

        let first = [&b""[..], b"in-1", b"in-2", long, b"in-1"].map(|name| one.number(name));
        let second = [long, b"in-2", b"in-1", b"", b"out"].map(|name| other.number(name));

        assert_eq!(first, [0, 1, 2, 3, 1]);
        assert_eq!(second, [3, 2, 1, 0, 4]);
    }

    #[test]
    fn gates_beyond_the_numbers_share_the_last_one() {
        let gates = GateInterner::default();
        let mut local = gates.interner();
        let numbers: Vec<GateNumber> = (1..40_000).map(|gate| local.number(format!("g{gate}").as_bytes())).collect();

        assert_eq!(numbers[32_765], 32_766);
        assert!(numbers[32_766..].iter().all(|number| *number == OTHERS));
        assert_eq!(local.number(b"g1"), 1);
    }
}
