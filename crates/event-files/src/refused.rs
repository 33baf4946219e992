//! Keeps account of the lines that can't be taken: counts them, tells the first ones, and collects them in a file.
//!
//! What refused lines mean for the exit code of a command is said here too, for all commands alike.

use std::path::Path;
use std::sync::Arc;

use parking::readable::counted;

use super::{Observer, Refused};
use crate::atomic_file::{self, AtomicFile};

/// So many refused lines are told one by one.
const TOLD: u64 = 10;

/// Lines were refused, and nobody asked to have them collected.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{} refused, the first {} told above; all others were taken. --refused FILE collects what is refused and exits with 0",
    counted(*.count, "event"),
    counted((*.count).min(TOLD), "reason")
)]
pub struct Error {
    /// How many.
    pub count: u64,
}

/// The account of refused lines.
#[derive(Debug)]
pub struct RefusedLines {
    count: u64,
    file: Option<(String, AtomicFile)>,
    /// The CSV header that was collected last.
    header: Option<Vec<u8>>,
    observer: Arc<dyn Observer>,
}

impl RefusedLines {
    /// An empty account, which collects lines in the file at `path` if there is one.
    pub fn new(path: Option<&Path>, observer: &Arc<dyn Observer>) -> Result<Self, atomic_file::Error> {
        let file =
            path.map(|path| AtomicFile::create(path).map(|file| (path.display().to_string(), file))).transpose()?;
        Ok(Self { count: 0, file, header: None, observer: Arc::clone(observer) })
    }

    /// Takes one more.
    pub fn take(&mut self, refused: &Refused<'_>) -> Result<(), atomic_file::Error> {
        self.count += 1;
        let Refused { file, line, refusal, .. } = refused;
        if self.count <= TOLD {
            self.observer.say(&format!("refused {file}:{line}: {refusal}"));
        } else if self.count == TOLD + 1 {
            self.observer.say("more is refused, which is only counted from here on");
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

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Puts the file of refused lines in its place and says where it is.
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

/// What refused lines mean for the command as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    count: u64,
    is_collected: bool,
}

impl Verdict {
    /// # Errors
    /// Something was refused and not collected.
    pub fn check(self) -> Result<(), Error> {
        if self.count == 0 || self.is_collected { Ok(()) } else { Err(Error { count: self.count }) }
    }
}
