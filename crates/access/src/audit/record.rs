//! Records: entries with their place in the chain.

use std::fmt;

use parking::Timestamp;
use sha2::{Digest, Sha256};

use super::Entry;
use crate::base32::{decode, encode};
use crate::{HASH_BYTES, Keyring, PlateHash};

const LABEL: &str = "dwell audit 1";

/// The end of a chain: what the next record is linked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The number of the last record; 0 before the first.
    pub sequence: u64,
    /// The hash of the last record.
    pub hash: [u8; HASH_BYTES],
}

impl Head {
    /// The begin of a ledger's chain. It holds the ledger's id, so that a chain of another ledger does not fit.
    pub fn begin(ledger_id: &[u8]) -> Self {
        let hash = Sha256::new().chain_update(LABEL).chain_update([0]).chain_update(ledger_id).finalize();
        Self { sequence: 0, hash: hash.into() }
    }

    /// Reads the text that [`Display`](fmt::Display) writes.
    ///
    /// # Errors
    /// What is wrong with it, as the end of a sentence.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let read = text.split_once(':').and_then(|(sequence, hash)| Some((sequence.parse().ok()?, decode(hash)?)));
        let (sequence, hash) = read.ok_or("is not a number, a colon, and a hash of 52 letters and digits")?;
        Ok(Self { sequence, hash })
    }
}

impl fmt::Display for Head {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.sequence, encode(&self.hash))
    }
}

/// A stored record. Its fields are as stored, so that a record of a later version can be verified too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its number; the first is 1, and no number is left out.
    pub sequence: u64,
    /// When.
    pub at: Timestamp,
    /// The version of the chain's key.
    pub key: u32,
    /// Who: the text of [`Who`](crate::Who).
    pub actor: String,
    /// What was done: the word of an [`Action`](super::Action).
    pub action: String,
    /// What became of it: the word of an [`Outcome`](super::Outcome).
    pub outcome: String,
    /// The lots that were looked at: the text of [`Lots`](crate::Lots), or empty.
    pub lots: String,
    /// The plates it was about.
    pub plates: Vec<PlateHash>,
    /// What it was done to.
    pub object: String,
    /// How many sessions or events were shown or changed.
    pub rows: u64,
    /// Why, as the user typed it.
    pub reason: String,
    /// The keyed hash of all this and of the record before.
    pub hash: [u8; HASH_BYTES],
}

impl Record {
    /// Links an entry to the end of a chain. Two appended to one end can't both be stored: they have one number.
    pub fn append(head: &Head, keys: &Keyring, at: Timestamp, entry: Entry) -> Self {
        let mut record = Self {
            sequence: head.sequence + 1,
            at,
            key: keys.newest(),
            actor: entry.actor,
            action: entry.action.word().to_owned(),
            outcome: entry.outcome.word().to_owned(),
            lots: entry.lots,
            plates: entry.plates,
            object: entry.object,
            rows: entry.rows,
            reason: entry.reason,
            hash: [0; HASH_BYTES],
        };
        record.hash = record.hash_after(head, keys).expect("a ring holds its newest key");
        record
    }

    /// The end of the chain of which this is the last record.
    pub fn head(&self) -> Head {
        Head { sequence: self.sequence, hash: self.hash }
    }

    /// The hash that this record has to carry behind `head`; none when its key is not known.
    pub(super) fn hash_after(&self, head: &Head, keys: &Keyring) -> Option<[u8; HASH_BYTES]> {
        keys.mac(self.key, LABEL, &self.linked_bytes(head))
    }

    /// Every field but the hash, in one form only: each text is preceded by its length, so no two records have the same
    /// bytes.
    fn linked_bytes(&self, head: &Head) -> Vec<u8> {
        let mut bytes = head.hash.to_vec();
        bytes.extend(self.sequence.to_be_bytes());
        bytes.extend(self.at.as_millis().to_be_bytes());
        bytes.extend(self.key.to_be_bytes());
        bytes.extend(self.rows.to_be_bytes());
        let plates: Vec<String> = self.plates.iter().map(PlateHash::to_string).collect();
        let texts = [&self.actor, &self.action, &self.outcome, &self.lots, &self.object, &self.reason];
        bytes.extend((plates.len() as u64).to_be_bytes());
        for text in texts.into_iter().chain(&plates) {
            bytes.extend((text.len() as u64).to_be_bytes());
            bytes.extend(text.as_bytes());
        }
        bytes
    }
}
