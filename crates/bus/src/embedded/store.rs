//! The file of the embedded bus: a redb database with the messages of each queue by sequence number.
//!
//! Every change is idempotent, so a commit with an unknown outcome is repeated.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use redb::{
    Database, DatabaseError, ReadableDatabase as _, ReadableTable as _, ReadableTableMetadata as _, TableDefinition,
};
use serde::{Deserialize, Serialize};
use service_kit::Unavailable;
use service_kit::traces::TraceContext;

use super::queue::Stored;
use crate::{DeadLetterReason, Error, Message, OpenError, Properties, Queue};

const FILE: &str = "bus.redb";
/// The messages are in memory anyway, so redb's cache only needs the inner pages of the trees.
const CACHE_BYTES: usize = 16 * 1024 * 1024;

type Bodies = TableDefinition<'static, u64, &'static [u8]>;
/// Reason and queue.
type Notes = TableDefinition<'static, u64, (&'static str, &'static str)>;
/// Encoded [`StoredExtras`]. A file of an earlier Dwell does not have this table.
type Extras = TableDefinition<'static, u64, &'static [u8]>;

const TABLES: [(Bodies, Notes, Extras); 3] = [
    (Bodies::new("entry"), Notes::new("entry.death"), Extras::new("entry.said")),
    (Bodies::new("exit"), Notes::new("exit.death"), Extras::new("exit.said")),
    (Bodies::new("dead"), Notes::new("dead.death"), Extras::new("dead.said")),
];

/// The changes of one transaction to one queue.
#[derive(Debug, Default)]
pub(super) struct Change {
    /// Messages by their new sequence numbers, in ascending order.
    pub(super) added: Vec<(u64, Message)>,
    /// Sequence numbers of acknowledged messages.
    pub(super) removed: Vec<u64>,
}

/// The properties of a message as stored in the file: one byte for the format, then this struct in postcard.
#[derive(Serialize, Deserialize)]
struct StoredExtras<'a> {
    properties: Option<Cow<'a, Properties>>,
    /// Only for dead letters: they may wait for a person, so their trace has to survive a restart.
    traceparent: Option<Cow<'a, str>>,
}

impl<'a> StoredExtras<'a> {
    const FORMAT: u8 = 1;

    /// The extras of a message; `None` if it has none.
    fn of(message: &'a Message) -> Option<Self> {
        let properties = message.properties.as_deref().map(Cow::Borrowed);
        let traceparent =
            message.trace.filter(|_| message.dead_letter.is_some()).map(|trace| trace.traceparent().into());
        (properties.is_some() || traceparent.is_some()).then_some(Self { properties, traceparent })
    }

    fn encode(&self) -> Vec<u8> {
        postcard::to_extend(self, vec![Self::FORMAT]).expect("writing to memory cannot fail")
    }

    /// Returns `None` for the format of a later Dwell.
    fn decode(bytes: &[u8]) -> Option<StoredExtras<'static>> {
        let (format, rest) = bytes.split_first()?;
        if *format == Self::FORMAT { postcard::from_bytes(rest).ok() } else { None }
    }
}

/// The messages of each queue, by sequence number.
pub(super) type Waiting = [BTreeMap<u64, Stored>; 3];

/// Whether a folder has an embedded bus.
pub(super) fn is_in(folder: &Path) -> bool {
    folder.join(FILE).exists()
}

/// The open file.
#[derive(Debug)]
pub(super) struct Store {
    path: PathBuf,
    /// `None` between a failure and the next attempt.
    database: Option<Database>,
}

impl Store {
    /// Opens or creates the file in this folder, and reads its messages.
    pub(super) fn open(folder: &Path) -> Result<(Self, Waiting), OpenError> {
        let path = folder.join(FILE);
        let refused = |reason: &dyn std::fmt::Display| {
            OpenError::from(Error::refused(format!(
                "cannot open the embedded bus {}: {reason}; it needs a disk with room and the right to write there, else \
                 set DWELL_DATA_DIR to another folder",
                path.display()
            )))
        };
        fs::create_dir_all(folder).map_err(|error| refused(&error))?;
        let database = open_file(&path).map_err(|error| match error {
            DatabaseError::DatabaseAlreadyOpen => {
                let reason = format!(
                    "{} is in use by another process; stop that one, or set DWELL_DATA_DIR to another folder",
                    path.display()
                );
                Unavailable { name: "the embedded bus", reason }.into()
            }
            DatabaseError::UpgradeRequired(_) => refused(&"it is of an unknown version"),
            error @ (DatabaseError::RepairAborted
            | DatabaseError::TransactionInProgress
            | DatabaseError::Storage(_)
            | _) => refused(&error),
        })?;
        // Without this, the directory entry may be lost in a power failure.
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| refused(&error))?;
        let waiting = load(&database).map_err(|error| refused(&error))?;
        Ok((Self { path, database: Some(database) }, waiting))
    }

    /// Commits the changes durably, in one transaction. After an error the outcome is unknown: commit them again.
    pub(super) fn commit(&mut self, changes: &[Change; 3]) -> Result<(), redb::Error> {
        let database = match self.database.take() {
            Some(database) => database,
            None => open_file(&self.path)?,
        };
        write(&database, changes)?;
        // Not put back after an error: redb then requires that the file is reopened.
        self.database = Some(database);
        Ok(())
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

fn open_file(path: &Path) -> Result<Database, DatabaseError> {
    Database::builder().set_cache_size(CACHE_BYTES).create(path)
}

fn load(database: &Database) -> Result<Waiting, redb::Error> {
    // Creates the tables, so that reading finds all of them.
    write(database, &Default::default())?;
    let transaction = database.begin_read()?;
    let mut waiting = Waiting::default();
    for (queue, (bodies, notes, extras)) in waiting.iter_mut().zip(TABLES) {
        for row in transaction.open_table(bodies)?.iter()? {
            let (sequence, body) = row?;
            // It may have been delivered before the restart.
            let body = Bytes::copy_from_slice(body.value());
            queue.insert(
                sequence.value(),
                Stored { body, dead_letter: None, trace: None, properties: None, redelivered: true },
            );
        }
        for row in transaction.open_table(notes)?.iter()? {
            let (sequence, note) = row?;
            let (reason, came_on) = note.value();
            if let Some(stored) = queue.get_mut(&sequence.value()) {
                stored.dead_letter = Some(DeadLetterReason { reason: reason.to_owned(), queue: came_on.to_owned() });
            }
        }
        for row in transaction.open_table(extras)?.iter()? {
            let (sequence, encoded) = row?;
            let Some(stored) = queue.get_mut(&sequence.value()) else { continue };
            match StoredExtras::decode(encoded.value()) {
                Some(StoredExtras { properties, traceparent }) => {
                    stored.properties = properties.map(|properties| Arc::new(properties.into_owned()));
                    stored.trace = traceparent.and_then(|text| TraceContext::parse(&text));
                }
                None => {
                    tracing::warn!(
                        sequence = sequence.value(),
                        "cannot decode the properties of a message; they are left out"
                    );
                }
            }
        }
    }
    Ok(waiting)
}

fn write(database: &Database, changes: &[Change; 3]) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    for (change, (bodies, notes, extras)) in changes.iter().zip(TABLES) {
        let mut bodies = transaction.open_table(bodies)?;
        let mut notes = transaction.open_table(notes)?;
        let mut extras = transaction.open_table(extras)?;
        let (has_notes, has_extras) = (!notes.is_empty()?, !extras.is_empty()?);
        for sequence in &change.removed {
            bodies.remove(sequence)?;
            if has_notes {
                notes.remove(sequence)?;
            }
            if has_extras {
                extras.remove(sequence)?;
            }
        }
        for (sequence, message) in &change.added {
            bodies.insert(sequence, &*message.body)?;
            if let Some(DeadLetterReason { reason, queue }) = &message.dead_letter {
                notes.insert(sequence, (reason.as_str(), queue.as_str()))?;
            }
            if let Some(stored) = StoredExtras::of(message) {
                extras.insert(sequence, &*stored.encode())?;
            }
        }
    }
    transaction.commit()?;
    Ok(())
}

/// The change of this queue.
pub(super) fn change_of(changes: &mut [Change; 3], queue: Queue) -> &mut Change {
    &mut changes[queue.index()]
}
