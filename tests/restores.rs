//! Only a sound backup is restored, only in the place of a ledger that no process uses, and a backup replaces no file.

use std::path::Path;
use std::process::{Command, Output};

use testbed::binary;

use crate::backups::{Site, names};

const LOSE_A_SESSION: &str = "DELETE FROM session WHERE session_id = (SELECT min(session_id) FROM session)";

/// Runs `dwell` on the ledger of a site.
fn dwell(site: &Site, arguments: &[&str]) -> Output {
    let mut command = Command::new(binary("dwell").unwrap());
    command.args(arguments).args(["--data-dir", "dwell-data"]).current_dir(site.folder());
    command.output().unwrap()
}

fn refusal(ran: &Output, code: i32) -> String {
    let text = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert_eq!(ran.status.code(), Some(code), "{text}");
    text
}

/// A copy of a file, changed.
fn changed(site: &Site, name: &str, change: impl FnOnce(&Path)) -> String {
    let copy = site.path(name);
    std::fs::copy(site.path("backup.sqlite"), &copy).unwrap();
    change(&copy);
    copy.display().to_string()
}

fn write(file: &Path, text: &str) {
    std::fs::write(file, text).unwrap();
}

fn execute(file: &Path, sql: &str) {
    rusqlite::Connection::open(file).unwrap().execute_batch(sql).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_in_use_is_not_replaced_and_neither_is_an_existing_backup() {
    let site = Site::new([]);
    let program = site.start_under_load().await;
    assert!(dwell(&site, &["backup", "backup.sqlite"]).status.success());
    let before = std::fs::read(site.path("backup.sqlite")).unwrap();

    let again = refusal(&dwell(&site, &["backup", "backup.sqlite"]), 1);
    let restored = refusal(&dwell(&site, &["restore", "backup.sqlite"]), 69);

    assert!(again.contains("backup.sqlite exists") && again.contains("new name"), "{again}");
    assert!(restored.contains("nothing is restored") && restored.contains("in use by another process"), "{restored}");
    assert_eq!(std::fs::read(site.path("backup.sqlite")).unwrap(), before);
    site.ends_exact(program).await;
    assert_eq!(names(site.folder()), ["backup.sqlite", "dwell-data", "events-since-the-backup.ndjson"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_sound_ledger_is_not_restored_and_nothing_changes() {
    let site = Site::new([]);
    site.ends_exact(site.start_under_load().await).await;
    assert!(dwell(&site, &["backup", "backup.sqlite"]).status.success());
    let folder = site.path("dwell-data");
    let (files, ledger) = (names(&folder), std::fs::read(folder.join("ledger.sqlite")).unwrap());
    let cut = |file: &Path| {
        let length = std::fs::metadata(file).unwrap().len();
        std::fs::File::options().write(true).open(file).unwrap().set_len(length / 2).unwrap();
    };
    let cases = [
        ("no-such-file.sqlite".to_owned(), "there is no ledger"),
        (changed(&site, "text.sqlite", |file| write(file, &"a text. ".repeat(900))), "not a ledger"),
        (changed(&site, "empty.sqlite", |file| write(file, "")), "not a ledger"),
        (changed(&site, "cut.sqlite", cut), "nothing is restored"),
        (changed(&site, "open.sqlite", |file| execute(file, "UPDATE ledger SET needs_journal = 1")), "journal"),
        (
            changed(&site, "newer.sqlite", |file| execute(file, "UPDATE ledger SET schema_version = 1000")),
            "newer program",
        ),
        (
            changed(&site, "faulty.sqlite", |file| execute(file, LOSE_A_SESSION)),
            "found in the backup. Use another backup",
        ),
    ];
    for (backup, reason) in &cases {
        let text = refusal(&dwell(&site, &["restore", backup]), 1);
        assert!(text.contains(reason) && text.contains("nothing is restored"), "{backup}: {text}");
        assert_eq!(names(&folder), files, "{backup}");
    }
    assert_eq!(std::fs::read(folder.join("ledger.sqlite")).unwrap(), ledger);
}
