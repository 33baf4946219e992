//! Handles refused lines: counts them, reports the first ones, and collects them in a file.
//!
//! It also defines their effect on the exit code, equally for all commands.

use std::path::Path;
use std::sync::Arc;

use parking::readable::counted;

use super::{Observer, Refused};
use crate::atomic_file::{self, AtomicFile};

/// The maximum of refused lines that are reported individually.
const REPORTED_LINES_MAX: u64 = 10;

/// Lines were refused, and there is no file to collect them.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{} refused, the first {} told above; all others were taken. --refused FILE collects what is refused and exits with 0",
    counted(*.count, "event"),
    counted((*.count).min(REPORTED_LINES_MAX), "reason")
)]
pub struct Error {
    /// The number of refused lines.
    pub count: u64,
}

/// The refused lines so far.
#[derive(Debug)]
pub struct RefusedLines {
    count: u64,
    file: Option<(String, AtomicFile)>,
    /// The CSV header that was last written to the file.
    header: Option<Vec<u8>>,
    observer: Arc<dyn Observer>,
}

impl RefusedLines {
    /// No refused lines yet; collects them in the file at `path`, if given.
    pub fn new(path: Option<&Path>, observer: &Arc<dyn Observer>) -> Result<Self, atomic_file::Error> {
        let file =
            path.map(|path| AtomicFile::create(path).map(|file| (path.display().to_string(), file))).transpose()?;
        Ok(Self { count: 0, file, header: None, observer: Arc::clone(observer) })
    }

    /// Handles one refused line.
    pub fn take(&mut self, refused: &Refused<'_>) -> Result<(), atomic_file::Error> {
        self.count += 1;
        let Refused { file, line, refusal, .. } = refused;
        if self.count <= REPORTED_LINES_MAX {
            self.observer.say(&format!("refused {file}:{line}: {refusal}"));
        } else if self.count == REPORTED_LINES_MAX + 1 {
            self.observer.say("further refused lines are only counted");
        }
        let Some((_, collected)) = &mut self.file else { return Ok(()) };
        if let Some(header) = refused.header
            && self.header.as_deref() != Some(header)
        {
            self.header = Some(header.to_vec());
            collected.write(header)?;
            collected.write(b"\n")?;
        }
        collected.write(refused.text)?;
        collected.write(b"\n")
    }

    /// The number of refused lines.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Renames the file of refused lines to its final name, and reports it.
    ///
    /// # Errors
    /// The file can't be written.
    pub fn finish(self) -> Result<Verdict, atomic_file::Error> {
        let Self { count, file, observer, .. } = self;
        let Some((name, file)) = file else { return Ok(Verdict { count, is_collected: false }) };
        file.finish()?;
        if count > 0 {
            observer.say(&format!("{} refused and collected in {name}", counted(count, "event")));
        }
        Ok(Verdict { count, is_collected: true })
    }
}

/// The effect of refused lines on the whole command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    count: u64,
    is_collected: bool,
}

impl Verdict {
    /// # Errors
    /// Lines were refused and not collected.
    pub fn check(self) -> Result<(), Error> {
        if self.count == 0 || self.is_collected { Ok(()) } else { Err(Error { count: self.count }) }
    }
}
