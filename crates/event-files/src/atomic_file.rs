//! Atomic replacement of a file: it is written to a temporary sibling, which is renamed at the end.
//!
//! What stands in it is left to the writer. Something that is no ordinary file (a pipe, `/dev/null`) can't be replaced
//! and is written to as it is, and so is standard output, which is called `-`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice, Write};
use std::path::{Path, PathBuf};

use rustix::io::{Errno, ReadWriteFlags, pwritev2};

/// What standard output is called on the command line.
pub const STDOUT: &str = "-";
/// Whole pages on every machine.
const BUFFER_BYTES: usize = 256 * 1024;
/// `RWF_DONTCACHE` of Linux: what is written goes to the disk at once, as it has to in the end, and its pages are used
/// again. A large file would else take fresh memory for each of its pages, and push other files out of the memory.
const DONT_CACHE: ReadWriteFlags = ReadWriteFlags::from_bits_retain(0x80);
/// Tells `pwritev2` to write where the last write ended.
const AT_THE_END: u64 = u64::MAX;

/// Why a file could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {place}: is its folder there, may this user write in it, and is there room?")]
pub struct Error {
    /// Where it should be.
    pub place: String,
    /// What the system said.
    #[source]
    pub source: io::Error,
}

impl Error {
    /// Whether it is a pipe that nobody reads any more.
    pub fn is_closed(&self) -> bool {
        self.source.kind() == io::ErrorKind::BrokenPipe
    }
}

/// A file under way. Dropped before [`finish`](Self::finish), it leaves nothing behind.
#[derive(Debug)]
pub struct AtomicFile {
    place: String,
    target: Target,
    /// What is still to be written, less than [`BUFFER_BYTES`].
    pending: Vec<u8>,
    /// Where it is for now, and where it belongs.
    moves: Option<(PathBuf, PathBuf)>,
}

#[derive(Debug)]
enum Target {
    File {
        file: File,
        /// Its pages stay in memory.
        is_cached: bool,
    },
    Stdout(io::Stdout),
}

impl AtomicFile {
    /// Begins the file at `path`; an older one there stays as it is until the end.
    pub fn create(path: &Path) -> Result<Self, Error> {
        let place = if path.as_os_str() == STDOUT { "standard output".to_owned() } else { path.display().to_string() };
        match open(path) {
            Ok((target, moves)) => Ok(Self { place, target, pending: Vec::with_capacity(BUFFER_BYTES), moves }),
            Err(source) => Err(Error { place, source }),
        }
    }

    /// Adds bytes at the end.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.append(bytes).map_err(|source| Error { place: self.place.clone(), source })
    }

    /// Only whole buffers are written: a page that was written in part would have to be read again for the rest.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let room = BUFFER_BYTES - self.pending.len();
        let Some((first, others)) = bytes.split_at_checked(room) else {
            self.pending.extend_from_slice(bytes);
            return Ok(());
        };
        self.pending.extend_from_slice(first);
        self.target.write_all(&self.pending)?;
        self.pending.clear();
        let (whole, rest) = others.split_at(others.len() / BUFFER_BYTES * BUFFER_BYTES);
        self.target.write_all(whole)?;
        self.pending.extend_from_slice(rest);
        Ok(())
    }

    /// Makes the file durable and puts it in its place.
    pub fn finish(mut self) -> Result<(), Error> {
        let placed = self.place_it();
        placed.map_err(|source| Error { place: self.place.clone(), source })
    }

    fn place_it(&mut self) -> io::Result<()> {
        self.target.write_all(&self.pending)?;
        self.pending.clear();
        self.target.flush()?;
        let Some((temporary, path)) = &self.moves else { return Ok(()) };
        if let Target::File { file, .. } = &self.target {
            file.sync_all()?;
        }
        fs::rename(temporary, path)?;
        self.moves = None;
        Ok(())
    }
}

impl Drop for AtomicFile {
    fn drop(&mut self) {
        if let Some((temporary, _)) = &self.moves {
            // Nobody is left to be told; the name says that it is a part.
            drop(fs::remove_file(temporary));
        }
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::File { file, is_cached: true } => file.write(bytes),
            Self::File { file, is_cached } => match pwritev2(&*file, &[IoSlice::new(bytes)], AT_THE_END, DONT_CACHE) {
                // Not every kernel and file system knows it.
                Err(Errno::OPNOTSUPP | Errno::INVAL | Errno::NOSYS) => {
                    *is_cached = true;
                    file.write(bytes)
                }
                written => Ok(written?),
            },
            Self::Stdout(stdout) => stdout.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::File { file, .. } => file.flush(),
            Self::Stdout(stdout) => stdout.flush(),
        }
    }
}

type Opened = (Target, Option<(PathBuf, PathBuf)>);

fn open(path: &Path) -> io::Result<Opened> {
    if path.as_os_str() == STDOUT {
        return Ok((Target::Stdout(io::stdout()), None));
    }
    // A link stays a link: what it points to is replaced.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    if fs::metadata(&path).is_ok_and(|there| !there.is_file()) {
        let file = OpenOptions::new().write(true).open(&path)?;
        return Ok((Target::File { file, is_cached: true }, None));
    }
    let name = path.file_name().ok_or(io::ErrorKind::IsADirectory)?.to_string_lossy();
    let temporary = path.with_file_name(format!(".{name}.{}.part", std::process::id()));
    let file = File::create(&temporary)?;
    Ok((Target::File { file, is_cached: false }, Some((temporary, path))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn an_older_file_stands_until_the_new_one_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.csv");
        fs::write(&path, "old").unwrap();

        let mut file = AtomicFile::create(&path).unwrap();
        file.write(b"new").unwrap();
        let before = fs::read_to_string(&path).unwrap();
        file.finish().unwrap();

        assert_eq!((before.as_str(), fs::read_to_string(&path).unwrap().as_str()), ("old", "new"));
        assert_eq!(names(folder.path()), ["out.csv"]);
    }

    #[test]
    fn pieces_of_any_size_come_one_behind_the_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.csv");
        let sizes =
            [1, BUFFER_BYTES - 1, 1, 0, BUFFER_BYTES, 7, 3 * BUFFER_BYTES + 5, BUFFER_BYTES - 12, 2 * BUFFER_BYTES, 9];
        let text: Vec<u8> = (0..sizes.iter().sum()).map(|place: usize| place.to_le_bytes()[place % 3]).collect();

        let mut file = AtomicFile::create(&path).unwrap();
        let mut rest = &text[..];
        for size in sizes {
            let (piece, others) = rest.split_at(size);
            file.write(piece).unwrap();
            rest = others;
        }
        file.finish().unwrap();

        assert!(fs::read(&path).unwrap() == text);
    }

    #[test]
    fn a_file_that_was_given_up_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();

        let mut file = AtomicFile::create(&folder.path().join("out.csv")).unwrap();
        file.write(b"half").unwrap();
        drop(file);

        assert_eq!(names(folder.path()), [""; 0]);
    }

    #[test]
    fn what_is_no_ordinary_file_is_written_to_and_never_replaced() {
        use std::os::unix::fs::FileTypeExt as _;

        let mut file = AtomicFile::create(Path::new("/dev/null")).unwrap();
        file.write(b"gone").unwrap();
        file.finish().unwrap();

        assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
    }

    #[test]
    fn a_link_still_points_to_the_file_that_was_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real.csv"), folder.path().join("link.csv"));
        fs::write(&real, "old").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();

        let mut file = AtomicFile::create(&link).unwrap();
        file.write(b"new").unwrap();
        file.finish().unwrap();

        assert_eq!(fs::read_to_string(&real).unwrap(), "new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    }

    #[test]
    fn a_folder_that_is_missing_is_named() {
        let error = AtomicFile::create(Path::new("/nowhere/out.csv")).unwrap_err();

        assert!(error.to_string().starts_with("cannot write /nowhere/out.csv: "), "{error}");
    }
}
