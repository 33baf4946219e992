//! The canonical sessions of files of gate events, without any server.
//!
//! The same events give the same bytes, in whatever order and however often they stand in the files. What a session is
//! is said by `matching`; reading the files and writing the sessions is [`event_files`]'.
//!
//! Events are put on shelves by vehicle (`events`), each shelf is decided on (`settling`) and its sessions are put on
//! shelves by time, each of which is sorted and written (`sessions`). `names` has vehicles as numbers, `spread` sorts what
//! a shelf holds, `work` does all of it on all processors, and the `depot` keeps the shelves in bounded memory.
//!
//! Start reading at [`Replay`]. Deliberately not here: the command line, the settings, and any runtime: the work blocks.

mod depot;
mod events;
mod names;
mod sessions;
mod settling;
mod spread;
mod work;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use event_files::atomic_file::{self, STDOUT};
use event_files::session_file::SessionFile;
use event_files::{Observer, RefusedLines};
use parking::Rules;

pub use self::settling::Tally;

use self::depot::Depot;
use self::work::Work;

/// This much of the events and of the sessions is kept in memory; the rest goes to a temporary file.
const MEMORY_BYTES: usize = 208 * 1024 * 1024;

/// Why a replay failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An input can't be read to its end.
    #[error("nothing was written")]
    Input(#[from] event_files::Error),
    /// An output can't be written.
    #[error("the replay is not whole")]
    Output(#[from] atomic_file::Error),
    /// Events that don't fit into the memory meant for them can't be kept.
    #[error(
        "cannot keep events in a temporary file in {folder}: may this user write in it, and is there room for about as much as the events and the sessions?"
    )]
    Temporary {
        /// Where the file should be.
        folder: String,
        /// What the system said.
        source: io::Error,
    },
    /// More names than can be numbered.
    #[error(
        "the files name more lots and unusual plates (long or not of A-Z 0-9) than fit (4 GiB): replay one lot after \
         the other"
    )]
    TooManyVehicles,
    /// The stop came first.
    #[error("the replay was stopped; nothing was written")]
    Stopped,
}

/// All that a replay is told.
#[derive(Debug)]
pub struct Replay {
    /// The files of gate events.
    pub files: Vec<PathBuf>,
    /// The session file to write.
    pub sessions: PathBuf,
    /// The file that refused lines are collected in.
    pub refused: Option<PathBuf>,
    /// The rules that sessions are decided by.
    pub rules: Rules,
}

/// What came of a replay.
#[derive(Debug)]
pub struct Outcome {
    /// The counts of events and sessions.
    pub tally: Tally,
    /// How many lots the files name.
    pub lots: usize,
    /// The lines that could not be taken; the file that they are collected in is not yet in its place.
    pub refused: RefusedLines,
}

impl Replay {
    /// Reads the files, decides and writes the sessions. It blocks, and breaks off soon after `stop` is set.
    ///
    /// # Errors
    /// What can't be read or written; then no session file was written.
    pub fn run(&self, observer: &Arc<dyn Observer>, stop: &AtomicBool) -> Result<Outcome, Error> {
        // Both first: that they can't be written should not turn out at the end.
        let mut out = SessionFile::create(&self.sessions)?;
        let mut refused = RefusedLines::new(self.refused.as_deref(), observer)?;
        let depot = Depot::new(&self.folder_for_temporary_file(), MEMORY_BYTES);
        let work = Work::new(&depot, stop);
        let read = work.read(&self.files, observer, &mut refused)?;
        observer.show("matching");
        let settled = work.settle(read, &self.rules)?;
        observer.show("writing");
        work.write(&settled, &mut out)?;
        out.finish()?;
        Ok(Outcome { tally: settled.tally, lots: settled.names.lots().len(), refused })
    }

    /// There must be room for the sessions anyway.
    fn folder_for_temporary_file(&self) -> PathBuf {
        let is_file =
            self.sessions.as_os_str() != STDOUT && !self.sessions.metadata().is_ok_and(|there| !there.is_file());
        let beside = self.sessions.parent().filter(|_| is_file);
        match beside {
            Some(folder) if folder.as_os_str().is_empty() => PathBuf::from("."),
            Some(folder) => folder.to_owned(),
            None => std::env::temp_dir(),
        }
    }
}
