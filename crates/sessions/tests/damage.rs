//! A ledger that was written to by hand is found out, whatever was changed.

#![expect(clippy::unwrap_used, reason = "a test that can't go on stops there")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use access::Principal;
use futures::StreamExt as _;
use ledger::Ledger;
use ledger::testing::{Vehicles, minute};
use parking::{Clock, Lots, ManualClock, Rules, Timestamp};
use rusqlite::Connection;
use service_kit::ServiceContext;
use sessions::Service;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

async fn open(path: &Path) -> Result<Arc<dyn Ledger>, ledger::Error> {
    ledger_stores::open(&format!("sqlite:{}", path.display()), &tls::Connector::default(), NOW).await
}

/// A ledger with a matched stay, an open one, a held exit and a void session.
async fn recorded() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let ledger = open(&path).await.unwrap();
    let mut vehicles = Vehicles::default();
    let units = [
        vehicles.entry("P3", "AAA111", minute(0)),
        vehicles.exit("P3", "AAA111", minute(45)),
        vehicles.entry("P3", "AAA111", minute(60)),
        vehicles.exit("P3", "BBB222", minute(1)),
        vehicles.exit("P3", "CCC333", minute(9)),
        vehicles.entry("P3", "CCC333", minute(2)),
    ];
    for unit in units {
        ledger.record(vec![unit], &Rules::default(), NOW).await.unwrap();
    }
    (folder, path)
}

/// What is found wrong: by the ledger itself when it opens its file, or else by a verification.
async fn faults(path: &Path) -> Vec<String> {
    let ledger = match open(path).await {
        Ok(ledger) => ledger,
        Err(error) => return vec![error.to_string()],
    };
    let context = ServiceContext::new(Arc::new(ManualClock::at(NOW)) as Arc<dyn Clock>);
    let service = Service::new(ledger, Rules::default(), Lots::default(), &context);
    let parts: Vec<_> = service.scoped(Principal::local()).verify().await.unwrap().collect().await;
    parts.into_iter().last().unwrap().unwrap().shown
}

#[tokio::test(flavor = "multi_thread")]
async fn every_damage_is_a_fault_that_says_what_is_wrong() {
    let damages = [
        ("DELETE FROM session WHERE state = 2 AND entry_ms = (SELECT min(entry_ms) FROM session)", "is missing"),
        ("DELETE FROM session WHERE state = 5", "by the list of changes"),
        ("UPDATE session SET exit_ms = exit_ms + 1 WHERE state = 2", "has other events or another state"),
        ("UPDATE session SET state = 3 WHERE state = 1", "has other events or another state"),
        ("UPDATE session SET session_id = randomblob(16) WHERE state = 1", "should not exist"),
        (
            "UPDATE session SET session_id = randomblob(16) WHERE state = 5",
            "has an id that is not derived from any event",
        ),
        ("DELETE FROM event WHERE event_no = 2", "the event 2 is missing"),
        ("UPDATE event SET previous_no = NULL", "is not in the chain"),
        (
            "UPDATE event SET time_ms = time_ms + 1 WHERE event_no = 4",
            "is either in the stored timeline or among the events",
        ),
        (
            "UPDATE event SET supersedes = (SELECT event_id FROM event LIMIT 1) WHERE event_no = 6",
            "marked as superseded",
        ),
        ("DELETE FROM change WHERE sequence = 2", "the list of changes goes on with 3 where 2 is next"),
        ("UPDATE change SET to_state = 4 WHERE sequence = 1", "by the list of changes"),
        ("UPDATE lot SET inside = inside + 1", "are counted"),
        ("UPDATE lot_quarter SET entries = entries + 1", "entries: 3 stored, 2 recounted"),
        ("DELETE FROM lot_quarter", "entries: 0 stored, 2 recounted, exits: 0 stored, 2 recounted"),
    ];
    for (damage, told) in damages {
        let (_folder, path) = recorded().await;
        assert_eq!(faults(&path).await, Vec::<String>::new());
        assert!(Connection::open(&path).unwrap().execute(damage, []).unwrap() > 0, "{damage}");
        let found = faults(&path).await;
        assert!(found.iter().any(|fault| fault.contains(told)), "{damage}: {found:?}");
    }
}
