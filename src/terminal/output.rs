//! Standard output of the commands that answer with text.
//!
//! Text from outside is escaped where it is written (see [`printable`]). If the reader closes the pipe early, as
//! `head` does, the command ends quietly.

use std::io::{self, ErrorKind, Write as _};

use parking::printable;

use event_files::atomic_file;

/// Writes text for people, of several lines.
///
/// # Errors
/// Like [`write`].
pub(crate) fn print(text: &str) -> io::Result<bool> {
    write(printable::lines(text).as_bytes())
}

/// Writes JSON, one value, or one per line.
///
/// # Errors
/// Like [`write`].
pub(crate) fn print_json(json: &str) -> io::Result<bool> {
    write(printable::json(json).as_bytes())
}

/// The end of a command; a broken pipe is not a failure.
///
/// # Errors
/// All other errors.
pub fn ended(end: anyhow::Result<()>) -> anyhow::Result<()> {
    let is_closed = |error: &anyhow::Error| {
        error.chain().any(|cause| cause.downcast_ref::<atomic_file::Error>().is_some_and(atomic_file::Error::is_closed))
    };
    match end {
        Err(error) if is_closed(&error) => Ok(()),
        end => end,
    }
}

/// Writes all of the text. Returns `false` on a broken pipe (for instance `| head`), which is not an error.
///
/// # Errors
/// Standard output can't be written for another reason.
pub(crate) fn write(text: &[u8]) -> io::Result<bool> {
    let mut out = io::stdout().lock();
    is_read_on(out.write_all(text).and_then(|()| out.flush()))
}

fn is_read_on(written: io::Result<()>) -> io::Result<bool> {
    match written {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_who_has_gone_is_no_error_and_a_full_disk_is_one() {
        let written = |kind: ErrorKind| is_read_on(Err(kind.into())).map_err(|error| error.kind());
        assert_eq!(is_read_on(Ok(())).ok(), Some(true));
        assert_eq!(written(ErrorKind::BrokenPipe), Ok(false));
        assert_eq!(written(ErrorKind::StorageFull), Err(ErrorKind::StorageFull));
    }
}
