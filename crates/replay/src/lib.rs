//! The canonical sessions of files of gate events, without any server.
//!
//! An external sort: the output bytes depend only on the set of events, not on their order or number of copies in the
//! files. `matching` defines the sessions; [`event_files`] reads the events and writes the sessions.
//!
//! Events are partitioned by vehicle (`events`). Each partition is matched (`settling`), and its sessions are
//! partitioned by time; each of these partitions is sorted and written (`sessions`). `interner` numbers the vehicles and
//! `gates` the gates, `superseded` has the events that others replace, `work` runs the passes on all processors, and `spill_store` keeps the partitions in bounded memory.
//!
//! `misreads` matches exits and entries whose plates differ as well; it keeps all events in memory.
//!
//! Start reading at [`Replay`]. Deliberately not here: the command line, the settings, and any runtime: the work
//! blocks.

mod events;
mod gates;
mod interner;
mod misreads;
mod sessions;
mod settling;
mod spill_store;
mod superseded;
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

use self::spill_store::SpillStore;
use self::work::Work;

/// Events and sessions above this size spill to a temporary file.
const MEMORY_BYTES: usize = 208 * 1024 * 1024;

/// Why a replay failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An input can't be read to its end.
    #[error("nothing was written")]
    Input(#[from] event_files::Error),
    /// An output can't be written.
    #[error("the replay is not complete")]
    Output(#[from] atomic_file::Error),
    /// Events that exceed the memory limit can't be spilled.
    #[error(
        "cannot keep events in a temporary file in {folder}: may this user write in it, and is there buffer for about as much as the events and the sessions?"
    )]
    Temporary {
        /// Where the file should be.
        folder: String,
        /// The system's error.
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

/// The input of a replay.
#[derive(Debug)]
pub struct Replay {
    /// The files of gate events.
    pub files: Vec<PathBuf>,
    /// The session file to write.
    pub sessions: PathBuf,
    /// The file that refused lines are collected in.
    pub refused: Option<PathBuf>,
    /// The matching rules.
    pub rules: Rules,
    /// Exits and entries whose plates differ are matched too, by likelihood. All events are kept in memory then.
    pub misreads: bool,
    /// The file for the reasons of misread matches.
    pub reasons: Option<PathBuf>,
}

/// The result of a replay.
#[derive(Debug)]
pub struct Outcome {
    /// The counts of events and sessions.
    pub tally: Tally,
    /// How many lots the files name.
    pub lots: usize,
    /// The refused lines. Their file does not have its final name yet.
    pub refused: RefusedLines,
}

impl Replay {
    /// Reads the files, matches the events and writes the sessions. Blocks; returns soon after `stop` is set.
    ///
    /// # Errors
    /// An input can't be read or an output can't be written. No session file is written then.
    pub fn run(&self, observer: &Arc<dyn Observer>, stop: &AtomicBool) -> Result<Outcome, Error> {
        if self.misreads {
            return self.run_with_misreads(observer, stop);
        }
        // Both first: an output that can't be written is reported before the work, not after it.
        let mut out = SessionFile::create(&self.sessions)?;
        let mut refused = RefusedLines::new(self.refused.as_deref(), observer)?;
        let store = SpillStore::new(&self.folder_for_temporary_file(), MEMORY_BYTES);
        let work = Work::new(&store, stop);
        let read = work.read(&self.files, observer, &mut refused)?;
        observer.show("matching");
        let settled = work.settle(read, &self.rules)?;
        observer.show("writing");
        work.write(&settled, &mut out)?;
        out.finish()?;
        Ok(Outcome { tally: settled.tally, lots: settled.names.lots().len(), refused })
    }

    /// The folder of the session file needs room for the sessions anyway.
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
