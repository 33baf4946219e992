//! Verifies a chain, one record after another in order of their numbers.

use std::collections::BTreeMap;

use subtle::ConstantTimeEq;

use super::{Action, Head, Record};
use crate::{HASH_BYTES, Keyring};

/// What was done to a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Records are gone from the middle.
    #[error("the records from {first} to {last} are missing")]
    Missing {
        /// The first that is gone.
        first: u64,
        /// The last that is gone.
        last: u64,
    },
    /// A number comes again, or later than it should.
    #[error("record {sequence} comes after record {after}")]
    OutOfOrder {
        /// The record.
        sequence: u64,
        /// The one before it.
        after: u64,
    },
    /// The record does not fit the one before it: one of the two was changed, or exchanged.
    #[error("record {sequence} does not fit the one before it: it was changed, or another one was put in its place")]
    Changed {
        /// The record.
        sequence: u64,
    },
    /// Its key is not in the ring.
    #[error("record {sequence} was made with key {key}, which is not known")]
    UnknownKey {
        /// The record.
        sequence: u64,
        /// The version of the key.
        key: u32,
    },
    /// The newest records are gone.
    #[error("the chain ends with record {last}, and once went on to record {known} at least")]
    Truncated {
        /// The last record.
        last: u64,
        /// The head that was kept elsewhere.
        known: u64,
    },
    /// The chain was rewritten by somebody who has the key.
    #[error("record {sequence} is another one than when its hash was noted elsewhere")]
    Replaced {
        /// The record.
        sequence: u64,
    },
    /// The chain does not begin at its begin, and its records do not say why.
    #[error("the chain begins behind record {after}, and no record says that what was before was cut off")]
    CutNotRecorded {
        /// The last record that is gone.
        after: u64,
    },
}

/// Verifies a chain. After a fault it goes on from the record as it stands, to find further ones.
#[derive(Debug)]
pub struct Verifier<'keys> {
    keys: &'keys Keyring,
    start: Head,
    is_cut: bool,
    head: Head,
    /// Hashes that were kept elsewhere, by number, whose records have not been seen yet.
    noted: BTreeMap<u64, [u8; HASH_BYTES]>,
    last_cut: Option<Head>,
}

impl<'keys> Verifier<'keys> {
    /// For a chain from its begin, [`Head::begin`].
    pub fn from_begin(begin: Head, keys: &'keys Keyring) -> Self {
        let noted = BTreeMap::new();
        Self { keys, start: begin, is_cut: false, head: begin, noted, last_cut: None }
    }

    /// For a chain whose records up to this one were cut off. It has to hold the record of that cut.
    pub fn from_cut(cut: Head, keys: &'keys Keyring) -> Self {
        Self { is_cut: true, ..Self::from_begin(cut, keys) }
    }

    /// Compares with a head that was kept elsewhere: in a log, a backup, on paper. One from before the chain's start
    /// can't be compared and is ignored.
    #[must_use]
    pub fn with_noted(mut self, noted: Head) -> Self {
        if noted.sequence > self.start.sequence {
            self.noted.insert(noted.sequence, noted.hash);
        }
        self
    }

    /// Takes the next record.
    ///
    /// # Errors
    /// What is wrong between the record before and this one.
    pub fn push(&mut self, record: &Record) -> Result<(), Fault> {
        let before = std::mem::replace(&mut self.head, record.head());
        if record.action == Action::CutAudit.word() {
            self.last_cut = Head::parse(&record.object).ok();
        }
        let noted = self.noted.remove(&record.sequence);
        let sequence = record.sequence;
        if sequence <= before.sequence {
            return Err(Fault::OutOfOrder { sequence, after: before.sequence });
        }
        if sequence > before.sequence + 1 {
            return Err(Fault::Missing { first: before.sequence + 1, last: sequence - 1 });
        }
        let expected = record.hash_after(&before, self.keys).ok_or(Fault::UnknownKey { sequence, key: record.key })?;
        if !bool::from(expected.ct_eq(&record.hash)) {
            return Err(Fault::Changed { sequence });
        }
        if noted.is_some_and(|noted| noted != record.hash) {
            return Err(Fault::Replaced { sequence });
        }
        Ok(())
    }

    /// Ends the verification, after the last record.
    ///
    /// # Errors
    /// What is missing at an end of the chain.
    pub fn finish(self) -> Result<Head, Fault> {
        if let Some((known, _)) = self.noted.last_key_value().filter(|(known, _)| **known > self.head.sequence) {
            return Err(Fault::Truncated { last: self.head.sequence, known: *known });
        }
        if self.is_cut && self.last_cut != Some(self.start) {
            return Err(Fault::CutNotRecorded { after: self.start.sequence });
        }
        Ok(self.head)
    }
}
