//! Reads the file that a setting names, within a size limit, and says what is wrong with one that can't be read.
//!
//! What is in the file is left to the setting. No error repeats a part of it: it may be a secret.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::SystemTime;

/// The maximum size of a file; a large installation needs some hundred kilobytes.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// What differs when a file was written, replaced or given other rights: the times of the content and of the rights,
/// the length in bytes, and the number of the file. Of a link, those of the file that it leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileStamp(SystemTime, (i64, i64), u64, u64);

impl FileStamp {
    /// The stamp of a file; `None` if there is none, or it can't be reached.
    pub fn of(path: &Path) -> Option<Self> {
        let seen = fs::metadata(path).ok()?;
        Some(Self(seen.modified().ok()?, (seen.ctime(), seen.ctime_nsec()), seen.len(), seen.ino()))
    }
}

/// The text of the file.
///
/// # Errors
/// What is wrong with the file.
pub fn read(path: &Path) -> Result<String, String> {
    let unreadable = |error: io::Error| format!("the file can't be read ({error})");
    // Several services of a process read the file, each from its beginning; and opening a pipe may wait for ever.
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err("it is not a regular file (but a folder, a device or a pipe)".to_owned());
    }
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)).map_err(unreadable)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(format!("the file is larger than {} MiB", FILE_BYTES_MAX / (1024 * 1024)));
    }
    if let Some(zero) = bytes.iter().position(|byte| *byte == 0) {
        return Err(format!(
            "the file has a zero byte at byte {zero}: it is damaged, was not written to its end, or is UTF-16; get a whole \
             copy of it, in UTF-8"
        ));
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        format!("the file is not UTF-8 from byte {at} on; save it as UTF-8")
    })
}

/// The only line of the file, without the end of line, or what is wrong with the file.
pub(super) fn read_line(path: &Path) -> Result<String, String> {
    let text = read(path)?;
    let line = text.trim_start_matches('\u{feff}').trim_end_matches(['\r', '\n']);
    if line.is_empty() {
        return Err("the file is empty".to_owned());
    }
    if line.contains(['\r', '\n']) {
        return Err("the file has more than one line".to_owned());
    }
    Ok(line.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_beyond_the_limit_or_without_an_end_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let large = folder.path().join("large.toml");
        File::create(&large).unwrap().set_len(FILE_BYTES_MAX + 1).unwrap();
        assert_eq!(read(&large), Err("the file is larger than 16 MiB".to_owned()));

        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        for endless in [Path::new("/dev/zero"), &pipe, folder.path()] {
            let problem = read(endless).unwrap_err();
            assert!(problem.starts_with("it is not a regular file"), "{problem}");
        }
    }

    #[test]
    fn a_damaged_file_is_named_as_such() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lots.toml");
        for (bytes, expected) in [
            (&b"[[lot]]\nid\0\0\0"[..], "a zero byte at byte 10: it is damaged"),
            (b"\xff\xfe[\0[\0", "or is UTF-16"),
            (b"[[lot]]\nid = \"\xe4\"", "is not UTF-8 from byte 14 on"),
        ] {
            fs::write(&path, bytes).unwrap();
            let problem = read(&path).unwrap_err();
            assert!(problem.contains(expected), "{problem}");
        }
        fs::write(&path, "\u{feff}[[lot]]").unwrap();
        assert_eq!(read(&path).as_deref(), Ok("\u{feff}[[lot]]"));
    }
}
