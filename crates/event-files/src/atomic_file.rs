//! Atomic replacement of a file: write to a temporary sibling, then rename. File and rename are durable at the end.
//!
//! Something that is not a regular file (a pipe, `/dev/null`) can't be replaced and is written directly; so is
//! standard output, with the name `-`.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, IoSlice, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rustix::io::{Errno, ReadWriteFlags, pwritev2};
use tempfile::TempPath;

/// The name of standard output on the command line.
pub const STDOUT: &str = "-";
/// Readable and writable by all whom the umask does not exclude, as any new file is.
const MODE: u32 = 0o666;
/// A multiple of the page size on every machine.
const BUFFER_BYTES: usize = 256 * 1024;
/// `RWF_DONTCACHE` of Linux, a page-cache bypass for buffered writes: written pages go to the disk at once and leave
/// the cache. Otherwise a large file would need fresh memory for each of its pages, and evict other files from the
/// cache: a replay of 2.8 million lines takes 1.2 times the CPU time without it (`docs/performance-notes.md`).
const DONT_CACHE: ReadWriteFlags = ReadWriteFlags::from_bits_retain(0x80);
/// Makes `pwritev2` append at the file's position.
const APPEND_OFFSET: u64 = u64::MAX;

/// Why a file could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {target_name}: is its folder there, may this user write in it, and is there room?")]
pub struct Error {
    /// The file, or standard output.
    pub target_name: String,
    /// The system's error.
    #[source]
    pub source: io::Error,
}

impl Error {
    /// Whether it is a pipe without a reader.
    pub fn is_closed(&self) -> bool {
        self.source.kind() == io::ErrorKind::BrokenPipe
    }
}

/// A file being written. Dropping it before [`finish`](Self::finish) removes the temporary file.
#[derive(Debug)]
pub struct AtomicFile {
    target_name: String,
    target: Target,
    /// Bytes that are not yet written, fewer than [`BUFFER_BYTES`].
    pending: Vec<u8>,
    /// The temporary and the final path.
    moves: Option<(TempPath, PathBuf)>,
}

#[derive(Debug)]
enum Target {
    File {
        file: File,
        /// Its pages stay in the page cache.
        is_cached: bool,
    },
    Stdout(io::Stdout),
}

impl AtomicFile {
    /// Begins the file at `path`. An existing file stays unchanged until the end.
    pub fn create(path: &Path) -> Result<Self, Error> {
        let target_name =
            if path.as_os_str() == STDOUT { "standard output".to_owned() } else { path.display().to_string() };
        match open(path) {
            Ok((target, moves)) => Ok(Self { target_name, target, pending: Vec::with_capacity(BUFFER_BYTES), moves }),
            Err(source) => Err(Error { target_name, source }),
        }
    }

    /// Appends bytes.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.append(bytes).map_err(|source| Error { target_name: self.target_name.clone(), source })
    }

    /// Only whole buffers are written: the rest of a partly written page would require reading it again.
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

    /// Makes the file durable and renames it to its final path, durably too.
    pub fn finish(self) -> Result<(), Error> {
        self.finish_with(sync_folder)
    }

    fn finish_with(self, sync_folder: impl FnOnce(&Path) -> io::Result<()>) -> Result<(), Error> {
        let Self { target_name, target, pending, moves } = self;
        place(target, &pending, moves, sync_folder).map_err(|source| Error { target_name, source })
    }
}

fn place(
    mut target: Target,
    rest: &[u8],
    moves: Option<(TempPath, PathBuf)>,
    sync_folder: impl FnOnce(&Path) -> io::Result<()>,
) -> io::Result<()> {
    target.write_all(rest)?;
    target.flush()?;
    let Some((temporary, path)) = moves else { return Ok(()) };
    if let Target::File { file, .. } = &target {
        file.sync_all()?;
    }
    temporary.persist(&path)?;
    sync_folder(&path.with_file_name("."))
}

/// Makes the names in a folder durable: without this, a power cut may undo a rename.
fn sync_folder(folder: &Path) -> io::Result<()> {
    match File::open(folder).and_then(|folder| folder.sync_all()) {
        // A user may have write permission on a folder without read permission, and not every file system can sync one.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::PermissionDenied | io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported
            ) =>
        {
            Ok(())
        }
        synced => synced,
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::File { file, is_cached: true } => file.write(bytes),
            Self::File { file, is_cached } => match pwritev2(&*file, &[IoSlice::new(bytes)], APPEND_OFFSET, DONT_CACHE)
            {
                // Not every kernel and file system supports it.
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

type Opened = (Target, Option<(TempPath, PathBuf)>);

fn open(path: &Path) -> io::Result<Opened> {
    if path.as_os_str() == STDOUT {
        return Ok((Target::Stdout(io::stdout()), None));
    }
    // A symbolic link stays a link: its target is replaced.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    if fs::metadata(&path).is_ok_and(|there| !there.is_file()) {
        let file = OpenOptions::new().write(true).open(&path)?;
        return Ok((Target::File { file, is_cached: true }, None));
    }
    let name = path.file_name().ok_or(io::ErrorKind::IsADirectory)?.to_string_lossy();
    let (file, temporary) = tempfile::Builder::new()
        .prefix(&format!(".{name}."))
        .suffix(".part")
        .permissions(Permissions::from_mode(MODE))
        .tempfile_in(path.with_file_name(""))?
        .into_parts();
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
    fn the_folder_is_synced_once_the_file_has_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.csv");
        let mut synced = Vec::new();

        let mut file = AtomicFile::create(&path).unwrap();
        file.write(b"new").unwrap();
        let finished = file.finish_with(|folder| {
            synced.push((fs::canonicalize(folder)?, fs::read_to_string(&path)?));
            sync_folder(folder)?;
            Err(io::ErrorKind::StorageFull.into())
        });

        assert_eq!(synced, [(fs::canonicalize(folder.path()).unwrap(), "new".to_owned())]);
        assert!(finished.unwrap_err().to_string().starts_with("cannot write "));
    }

    #[test]
    fn pieces_of_any_size_come_one_behind_the_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.csv");
        let sizes =
            [1, BUFFER_BYTES - 1, 1, 0, BUFFER_BYTES, 7, 3 * BUFFER_BYTES + 5, BUFFER_BYTES - 12, 2 * BUFFER_BYTES, 9];
        let text: Vec<u8> = (0..sizes.iter().sum()).map(|index: usize| index.to_le_bytes()[index % 3]).collect();

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
    fn a_new_file_has_the_permissions_of_any_other() {
        let folder = tempfile::tempdir().unwrap();
        let (ours, other) = (folder.path().join("out.csv"), folder.path().join("other"));
        File::create(&other).unwrap();

        AtomicFile::create(&ours).unwrap().finish().unwrap();

        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&ours), mode(&other));
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
