//! The commands of the pages on backup and restore and on upgrades are run as they stand there: backed up under load,
//! restored, and upgraded, a ledger has the sessions of its events.

use std::path::{Path, PathBuf};
use std::process::Command;

use testbed::{Postgres, Program, Signal, binary, free_port, wait_until};

use crate::faults::load;
use crate::support::{PATIENCE, assert_same_sessions, metric, ready, replayed, settled};

const BACKUP: &str = include_str!("../docs/backup-and-restore.md");
const UPGRADE: &str = include_str!("../docs/upgrade.md");
/// Exits that are recorded when the backup begins; more are still to come.
const UNDER_WAY: f64 = 1_000.0;

/// The text of a page below a heading such as `## SQLite`, up to the next heading of this or a higher level.
fn section<'a>(page: &'a str, heading: &str) -> &'a str {
    let start = page.find(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no heading {heading}"));
    let text = &page[start + heading.len() + 2..];
    let level = heading.split(' ').next().unwrap().len();
    let ends = |rest: &str| {
        let hashes = rest.len() - rest.trim_start_matches('#').len();
        (1..=level).contains(&hashes) && rest[hashes..].starts_with(' ')
    };
    let end = text.match_indices('\n').find(|(at, _)| ends(&text[at + 1..])).map_or(text.len(), |(at, _)| at);
    &text[..end]
}

/// The commands of the indented blocks, below list items too. Those for containers need an engine and are left out.
fn commands(text: &str) -> Vec<String> {
    let mut blocks: Vec<String> = Vec::new();
    let (mut is_block, mut after_blank) = (false, true);
    for line in text.lines() {
        // A list item's text is indented by three.
        let code =
            line.strip_prefix("       ").or_else(|| line.strip_prefix("    ")).filter(|_| is_block || after_blank);
        match code {
            Some(code) if is_block => {
                let block = blocks.last_mut().unwrap();
                block.push('\n');
                block.push_str(code);
            }
            Some(code) => blocks.push(code.to_owned()),
            None => {}
        }
        is_block = code.is_some();
        after_blank = line.is_empty();
    }
    blocks.retain(|block| !block.contains("docker "));
    blocks
}

/// A ledger of one process with embedded queues, in a folder of its own, with the variables that the commands name.
pub(crate) struct Site {
    folder: tempfile::TempDir,
    events: PathBuf,
    expected: String,
    environment: Vec<(&'static str, String)>,
}

impl Site {
    pub(crate) fn new(more: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let events = folder.path().join("events-since-the-backup.ndjson");
        std::fs::write(&events, load()).unwrap();
        let expected = replayed(&events);
        let programs = binary("dwell").unwrap();
        let path = format!("{}:{}", programs.parent().unwrap().display(), std::env::var("PATH").unwrap());
        let port = free_port();
        let environment = [
            ("PATH", path),
            ("DWELL_LISTEN", format!("127.0.0.1:{port}")),
            ("DWELL_DATA_DIR", "dwell-data".to_owned()),
            ("DWELL_HOLD", "1s".to_owned()),
            ("DWELL_ARRIVALS", "0".to_owned()),
        ];
        let environment = environment.into_iter().chain(more).collect();
        Self { folder, events, expected, environment }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn variable(&self, name: &str) -> &str {
        &self.environment.iter().find(|(one, _)| *one == name).unwrap().1
    }

    /// The address of the API.
    fn api(&self) -> String {
        format!("http://{}", self.variable("DWELL_LISTEN"))
    }

    /// Runs commands of a page in the site's folder, and returns their output.
    fn run(&self, commands: &[String]) -> String {
        let mut output = String::new();
        for command in commands {
            let mut shell = Command::new("bash");
            shell.args(["-euo", "pipefail", "-c", command]).current_dir(self.folder.path());
            let ran = shell.envs(self.environment.iter().map(|(name, value)| (name, value))).output().unwrap();
            output.push_str(&String::from_utf8_lossy(&ran.stdout));
            assert!(ran.status.success(), "{command}: {output}{}", String::from_utf8_lossy(&ran.stderr));
        }
        output
    }

    async fn start(&self) -> Program {
        let port = self.variable("DWELL_LISTEN").rsplit(':').next().unwrap().parse().unwrap();
        let environment = self.environment.iter().map(|(name, value)| (*name, value.clone()));
        let program = Program::new(binary("dwell").unwrap()).envs(environment).current_dir(self.folder.path());
        let program = program.start().unwrap();
        ready(port).await;
        program
    }

    /// Starts with events in the queues, and waits until some are recorded.
    pub(crate) async fn start_under_load(&self) -> Program {
        self.run(&[format!("dwell publish {}", self.events.display())]);
        let program = self.start().await;
        let page = format!("{}/metrics", self.api());
        wait_until(PATIENCE, "exits to be matched", async || {
            metric(&page, "matched_events").await.is_some_and(|count| count >= UNDER_WAY)
        })
        .await;
        program
    }

    /// Waits until everything is recorded, compares the export with the canonical sessions, and stops the program.
    pub(crate) async fn ends_exact(&self, mut program: Program) {
        let sessions = tokio::task::block_in_place(|| settled(&self.api()));
        assert_same_sessions(&sessions, &self.expected);
        program.signal(Signal::TERM).unwrap();
        assert!(program.wait(PATIENCE).await.unwrap().success(), "{}", program.output());
    }

    /// The folder into which a restore has moved the old ledger.
    fn old_ledger(&self) -> PathBuf {
        let folders = names(&self.path("dwell-data")).into_iter().filter(|name| name.starts_with("old-ledger-"));
        let [folder] = folders.collect::<Vec<_>>().try_into().unwrap();
        self.path("dwell-data").join(folder)
    }

    /// Catches up after a restore, as the page says, and compares.
    async fn catches_up(&self) {
        let commands = commands(section(BACKUP, "## After a restore"));
        let [publish, verify] = &commands[..] else { panic!("{commands:?}") };
        self.run(std::slice::from_ref(publish));
        self.ends_exact(self.start().await).await;
        assert_sound(&self.run(std::slice::from_ref(verify)));
    }
}

/// The names of the files in a folder.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let files = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn assert_sound(verdict: &str) {
    assert!(verdict.contains("every event is accounted for, exactly once"), "{verdict}");
}

/// How many exits a ledger's file alone says that it has matched.
fn matches(ledger: &Path) -> f64 {
    let connection = rusqlite::Connection::open(ledger).unwrap();
    connection.query_row("SELECT cast(count(*) AS REAL) FROM change WHERE to_state = 2", [], |row| row.get(0)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sqlite_ledger_that_is_backed_up_and_restored_by_the_commands_of_the_page_has_every_session() {
    let site = Site::new([]);
    let program = site.start_under_load().await;

    let acknowledged = metric(&format!("{}/metrics", site.api()), "matched_events").await.unwrap();
    let backup = commands(section(BACKUP, "### While the service runs"));
    assert_sound(&site.run(&backup));
    let matches = matches(&site.path("ledger-backup.sqlite"));
    assert!(matches >= acknowledged, "{matches} of {acknowledged} matched exits are in the copy");
    site.ends_exact(program).await;
    let [check, restore] = ["### Check a backup", "### Restore"].map(|heading| commands(section(BACKUP, heading)));
    assert_sound(&site.run(&check));
    assert_sound(&site.run(&restore));

    assert_eq!(names(&site.old_ledger()), ["ledger.sqlite", "ledger.sqlite.journal"]);
    site.catches_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_a_stopped_sqlite_ledger_by_the_commands_of_the_page_is_the_whole_ledger() {
    let site = Site::new([]);
    let program = site.start_under_load().await;
    site.ends_exact(program).await;

    site.run(&commands(section(BACKUP, "### With the service stopped")));
    site.run(&commands(section(BACKUP, "## Dead letters")));
    assert_sound(&site.run(&commands(section(BACKUP, "### Restore"))));

    assert_eq!(std::fs::read(site.path("dead-letters.ndjson")).unwrap(), b"");
    site.ends_exact(site.start().await).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL: ci/test"]
async fn a_postgresql_ledger_that_is_backed_up_and_restored_by_the_commands_of_the_page_has_every_session() {
    let postgres = Postgres::start().await.unwrap();
    let admin = postgres.url();
    postgres.query(&admin, "CREATE DATABASE dwell").await.unwrap();
    let ledger = format!("{}/dwell", admin.rsplit_once('/').unwrap().0);
    let site = Site::new([("DWELL_DATABASE_URL", ledger), ("ADMIN_URL", admin)]);
    let program = site.start_under_load().await;
    let page = section(BACKUP, "## PostgreSQL");

    site.run(&commands(section(page, "### Backup")));
    site.ends_exact(program).await;
    assert_sound(&site.run(&commands(section(page, "### Restore"))));

    site.catches_up().await;
}

/// Makes a ledger one of schema version 4, which had no journal and counted hours instead of quarter hours.
fn make_version_4(ledger: &Path) {
    let older = "
        DROP TABLE lot_quarter;
        DROP TABLE connected_quarter;
        CREATE TABLE lot_hour (
            lot_no INTEGER NOT NULL, hour_no INTEGER NOT NULL, entries INTEGER NOT NULL, exits INTEGER NOT NULL,
            matched INTEGER NOT NULL, unmatched_exits INTEGER NOT NULL, unmatched_entries INTEGER NOT NULL,
            inside_ms INTEGER NOT NULL, dwell_ms INTEGER NOT NULL, dwells BLOB NOT NULL, PRIMARY KEY (lot_no, hour_no)
        ) STRICT, WITHOUT ROWID;
        ALTER TABLE ledger DROP COLUMN applied_entry;
        ALTER TABLE ledger DROP COLUMN needs_journal;
        ALTER TABLE ledger DROP COLUMN alias_key;
        DROP TABLE token; DROP TABLE person; DROP TABLE login;
        ALTER TABLE event DROP COLUMN receipt; ALTER TABLE ledger DROP COLUMN has_superseding;
        DROP INDEX event_supersedes; ALTER TABLE event DROP COLUMN supersedes; DROP TABLE superseded_due;
        DROP TABLE webhook; DROP TABLE webhook_waiting;
        CREATE TABLE vehicle_log (number INTEGER PRIMARY KEY, heads BLOB NOT NULL) STRICT;
        UPDATE ledger SET schema_version = 4;";
    rusqlite::Connection::open(ledger).unwrap().execute_batch(older).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_of_the_older_schema_goes_through_the_steps_of_the_page_on_upgrades() {
    let site = Site::new([]);
    site.ends_exact(site.start_under_load().await).await;
    let ledger = site.path("dwell-data/ledger.sqlite");
    make_version_4(&ledger);
    let page = section(UPGRADE, "## Step by step: programs without containers");

    site.run(&commands(section(BACKUP, "### With the service stopped")));
    let validate = commands(page);
    assert_eq!(validate, ["dwell validate"]);
    site.run(&validate);
    let schema = |path: &Path| -> i64 {
        let connection = rusqlite::Connection::open(path).unwrap();
        connection.query_row("SELECT schema_version FROM ledger", [], |row| row.get(0)).unwrap()
    };
    assert_eq!(schema(&ledger), 4, "`dwell validate` changes nothing");
    let program = site.start().await;
    for last in ["dwell doctor", "dwell verify"] {
        assert!(page.contains(&format!("`{last}`")), "{page}");
        site.run(&[format!("DWELL_SUMMARY_API_URL={} {last}", site.api())]);
    }
    site.ends_exact(program).await;

    assert!(UPGRADE.contains(&format!("This version has schema {} on SQLite", schema(&ledger))));
    assert_eq!(schema(&site.path("ledger-backup.sqlite")), 4, "the copy is what an older program reads");
}
