//! Checks this machine: the listening port, the data folder, its lock and the free disk space.

use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::path::Path;

use service_kit::http::{self, ProbeError};
use settings::Listen;

use super::finding::Finding;

const MIB: u64 = 1024 * 1024;
/// With less free space, embedded queues and ledger soon stop.
const FREE_BYTES_MIN: u64 = 100 * MIB;
/// With less free space, a person should act.
const FREE_BYTES_LOW: u64 = 1024 * MIB;

/// Whether a service can listen there, and whether one of ours already does.
pub(super) async fn port(address: &Listen, with_tls: bool) -> (Finding, bool) {
    let seen = |text: &str| Finding::ok("port", format!("{address} {text}"));
    let Err(error) = http::bind(address).await else { return (seen("is free"), false) };
    if error.source.kind() != ErrorKind::AddrInUse {
        return (seen("can't be listened on").fails(error.source.to_string(), error.remedy), false);
    }
    let port = address.port;
    match http::probe_ready(address, with_tls).await {
        Ok(()) => (seen("is in use by a service that is ready"), true),
        Err(ProbeError::NotReady { answer, .. }) if answer.contains(" 503 ") => {
            let fix = format!(
                "see which dependency is down: curl -s {}{}/readyz?verbose'",
                if with_tls { "-k 'https://" } else { "'http://" },
                address.as_seen_from_here()
            );
            (seen("is in use by a service that is not ready").fails(answer, fix), true)
        }
        Err(error) => {
            let cause =
                format!("port {port} is taken by another program: it does not answer as a service of dwell ({error})");
            let fix = format!(
                "stop that program (which one: ss -ltnp 'sport = :{port}'), or choose another port with DWELL_LISTEN (--listen)"
            );
            (seen("is taken").fails(cause, fix), false)
        }
    }
}

/// Checks the data folder: is it writable, unused, and has it free space?
///
/// Does not create it. `is_running` means that our own service has the lock.
pub(super) fn data_folder(folder: &Path, is_running: bool) -> Vec<Finding> {
    let shown = folder.display();
    // A missing folder will be created in its nearest existing parent.
    let there = folder.ancestors().find(|ancestor| ancestor.exists()).filter(|there| !there.as_os_str().is_empty());
    let there = there.unwrap_or_else(|| Path::new("."));
    let seen = |text: &str| Finding::ok("data folder", format!("{shown} {text}"));
    let is_locked = match try_out(there).and_then(|()| is_locked(folder)) {
        Ok(is_locked) => is_locked,
        Err(trouble) => {
            let (cause, fix) = trouble.cause_and_fix(there);
            return vec![seen("can't be used").fails(cause, fix)];
        }
    };
    let state = match (there == folder, is_locked) {
        (false, _) => seen("is made at the first start"),
        (true, false) => seen("can be written and is free"),
        (true, true) if is_running => seen("is in use by the service that listens here"),
        (true, true) => seen("is in use").fails(
            "another process has the data folder, and it is for one at a time",
            format!(
                "stop that process (which one: fuser -v '{shown}/lock'), or choose another folder with DWELL_DATA_DIR \
                 (--data-dir)"
            ),
        ),
    };
    let mut findings = vec![state];
    if let Ok(disk) = rustix::fs::statvfs(there) {
        findings.push(room(there, disk.f_bavail.saturating_mul(disk.f_frsize)));
    }
    findings
}

/// Why a folder can't be used.
#[derive(Debug)]
enum Trouble {
    NotWritable(std::io::Error),
    /// Its file system has no locks, so two processes might use it.
    NoLocks(std::io::Error),
}

impl Trouble {
    fn cause_and_fix(&self, folder: &Path) -> (String, String) {
        let shown = folder.display();
        match self {
            Self::NotWritable(error) => (
                format!("{shown} can't be written: {error}"),
                format!(
                    "give it to the user who runs dwell (chown, chmod u+rwx '{shown}'), or choose another folder with \
                     DWELL_DATA_DIR (--data-dir)"
                ),
            ),
            Self::NoLocks(error) => (
                format!("files in {shown} can't be locked: {error}"),
                "choose a folder on a local disk with DWELL_DATA_DIR (--data-dir)".to_owned(),
            ),
        }
    }
}

/// Creates, locks and removes a file: permissions alone do not prove it, for instance on a read-only mount.
fn try_out(folder: &Path) -> Result<(), Trouble> {
    let trial = folder.join(format!(".dwell-doctor-{}", std::process::id()));
    let file = File::options().create_new(true).write(true).open(&trial).map_err(Trouble::NotWritable)?;
    let locked = is_taken(file.try_lock());
    std::fs::remove_file(&trial).map_err(Trouble::NotWritable)?;
    locked.map(drop)
}

/// Whether the lock is taken. Does not create a missing lock file; holds a free lock only for this check.
fn is_locked(folder: &Path) -> Result<bool, Trouble> {
    let Ok(lock) = File::open(folder.join("lock")) else { return Ok(false) };
    is_taken(lock.try_lock())
}

fn is_taken(tried: Result<(), TryLockError>) -> Result<bool, Trouble> {
    match tried {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(Trouble::NoLocks(error)),
    }
}

fn room(folder: &Path, free_bytes: u64) -> Finding {
    let seen = Finding::ok("disk", format!("{} MiB are free at {}", free_bytes / MIB, folder.display()));
    let fix = format!(
        "make room (what is large: du -xh '{}' | sort -h | tail), or choose a larger disk with DWELL_DATA_DIR",
        folder.display()
    );
    match free_bytes {
        ..FREE_BYTES_MIN => seen.fails("the disk is almost full: queues and ledger stop when it is", fix),
        FREE_BYTES_MIN..FREE_BYTES_LOW => seen.warns("the disk has less than 1 GiB of room", fix),
        FREE_BYTES_LOW.. => seen,
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn a_disk_that_is_almost_full_says_so_before_it_is() {
        let verdict = |free| room(Path::new("/data"), free).verdict;

        assert_eq!(
            [verdict(FREE_BYTES_MIN - 1), verdict(FREE_BYTES_LOW - 1), verdict(FREE_BYTES_LOW)],
            [Verdict::Failed, Verdict::Warning, Verdict::Ok]
        );
        let full = room(Path::new("/data"), 0);
        assert!(full.cause.unwrap().contains("almost full") && full.fix.unwrap().contains("du -xh '/data'"));
    }

    #[test]
    fn a_data_folder_that_is_not_there_yet_is_not_made() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("deep/data");

        let found = data_folder(&folder, false);

        assert_eq!(found[0].seen, format!("{} is made at the first start", folder.display()));
        assert_eq!(std::fs::read_dir(parent.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_data_folder_in_use_is_right_only_for_the_service_that_listens_here() {
        let folder = tempfile::tempdir().unwrap();
        let _holder = service_kit::data_folder::DataFolder::lock(folder.path()).unwrap();

        let found = [true, false].map(|is_running| data_folder(folder.path(), is_running).remove(0));

        assert_eq!(found.each_ref().map(|one| one.verdict), [Verdict::Ok, Verdict::Failed]);
        assert!(found[1].fix.as_ref().unwrap().contains("fuser -v"));
    }

    #[test]
    fn a_folder_that_takes_no_locks_is_not_taken_for_free() {
        let unsupported = TryLockError::Error(ErrorKind::Unsupported.into());

        let (cause, fix) = is_taken(Err(unsupported)).unwrap_err().cause_and_fix(Path::new("/data"));

        assert_eq!(cause, "files in /data can't be locked: unsupported");
        assert!(fix.contains("a local disk with DWELL_DATA_DIR"), "{fix}");
    }

    #[test]
    fn a_data_folder_that_can_t_be_written_says_why() {
        let parent = tempfile::tempdir().unwrap();
        let file = parent.path().join("file");
        std::fs::write(&file, "").unwrap();

        let found = data_folder(&file.join("data"), false).remove(0);

        assert!(found.cause.unwrap().contains("can't be written") && found.fix.unwrap().contains("DWELL_DATA_DIR"));
    }
}
