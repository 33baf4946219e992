//! Standard output of the commands that answer with text.

use std::io::{self, ErrorKind, Write as _};

/// Writes all of it; `false` says that nobody reads on, which is no error: whoever reads only the first lines has all that
/// was wanted.
///
/// # Errors
/// It can't be written, though somebody reads.
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
