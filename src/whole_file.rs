//! A file that is there whole or not at all: written beside its place, and put there at the end.
//!
//! What stands in it is left to the writer. Something that is no ordinary file (a pipe, `/dev/null`) can't be replaced
//! and is written to as it is, and so is standard output, which is called `-`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// What standard output is called on the command line.
pub(crate) const STDOUT: &str = "-";
const BUFFER_BYTES: usize = 256 * 1024;

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

/// A file under way. Dropped before [`finish`](Self::finish), it leaves nothing behind.
#[derive(Debug)]
pub(crate) struct WholeFile {
    place: String,
    out: BufWriter<Target>,
    /// Where it is for now, and where it belongs.
    moves: Option<(PathBuf, PathBuf)>,
}

#[derive(Debug)]
enum Target {
    File(File),
    Stdout(io::Stdout),
}

impl WholeFile {
    /// Begins the file at `path`; an older one there stays as it is until the end.
    pub(crate) fn create(path: &Path) -> Result<Self, Error> {
        let place = if path.as_os_str() == STDOUT { "standard output".to_owned() } else { path.display().to_string() };
        match open(path) {
            Ok((target, moves)) => Ok(Self { place, out: BufWriter::with_capacity(BUFFER_BYTES, target), moves }),
            Err(source) => Err(Error { place, source }),
        }
    }

    /// Adds bytes at the end.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.out.write_all(bytes).map_err(|source| Error { place: self.place.clone(), source })
    }

    /// Makes the file durable and puts it in its place.
    pub(crate) fn finish(mut self) -> Result<(), Error> {
        let placed = self.place_it();
        placed.map_err(|source| Error { place: self.place.clone(), source })
    }

    fn place_it(&mut self) -> io::Result<()> {
        self.out.flush()?;
        let Some((temporary, path)) = &self.moves else { return Ok(()) };
        if let Target::File(file) = self.out.get_ref() {
            file.sync_all()?;
        }
        fs::rename(temporary, path)?;
        self.moves = None;
        Ok(())
    }
}

impl Drop for WholeFile {
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
            Self::File(file) => file.write(bytes),
            Self::Stdout(stdout) => stdout.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::File(file) => file.flush(),
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
        return Ok((Target::File(OpenOptions::new().write(true).open(&path)?), None));
    }
    let name = path.file_name().ok_or(io::ErrorKind::IsADirectory)?.to_string_lossy();
    let temporary = path.with_file_name(format!(".{name}.{}.part", std::process::id()));
    let file = File::create(&temporary)?;
    Ok((Target::File(file), Some((temporary, path))))
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

        let mut file = WholeFile::create(&path).unwrap();
        file.write(b"new").unwrap();
        let before = fs::read_to_string(&path).unwrap();
        file.finish().unwrap();

        assert_eq!((before.as_str(), fs::read_to_string(&path).unwrap().as_str()), ("old", "new"));
        assert_eq!(names(folder.path()), ["out.csv"]);
    }

    #[test]
    fn a_file_that_was_given_up_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();

        let mut file = WholeFile::create(&folder.path().join("out.csv")).unwrap();
        file.write(b"half").unwrap();
        drop(file);

        assert_eq!(names(folder.path()), [""; 0]);
    }

    #[test]
    fn what_is_no_ordinary_file_is_written_to_and_never_replaced() {
        use std::os::unix::fs::FileTypeExt as _;

        let mut file = WholeFile::create(Path::new("/dev/null")).unwrap();
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

        let mut file = WholeFile::create(&link).unwrap();
        file.write(b"new").unwrap();
        file.finish().unwrap();

        assert_eq!(fs::read_to_string(&real).unwrap(), "new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    }

    #[test]
    fn a_folder_that_is_missing_is_named() {
        let error = WholeFile::create(Path::new("/nowhere/out.csv")).unwrap_err();

        assert!(error.to_string().starts_with("cannot write /nowhere/out.csv: "), "{error}");
    }
}
