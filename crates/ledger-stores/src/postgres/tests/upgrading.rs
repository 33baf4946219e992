//! A ledger of an older program is upgraded completely, however large it is and while other programs still write to it.

use std::time::Duration;

use super::*;
use ledger::testing::{fill_some_hours, minute, vehicle};

const ALWAYS: Range<i64> = 0..i64::MAX;

/// Removes what the last migrations create, as in a ledger without counts.
const WITHOUT_COUNTS: &str = "
    DROP FUNCTION only_of_this_schema CASCADE; ALTER TABLE ledger DROP COLUMN quarters_missing_after;
    DROP TABLE lot_quarter; DROP TABLE connected_quarter; ALTER TABLE ledger DROP COLUMN alias_key;
    DROP TABLE token; DROP TABLE person; DROP TABLE login; ALTER TABLE event DROP COLUMN receipt;
    ALTER TABLE event DROP COLUMN supersedes; DROP TABLE superseded_due; ALTER TABLE ledger DROP COLUMN has_superseding;
    DROP TABLE webhook; DROP TABLE webhook_waiting;
    UPDATE ledger SET schema_version = 3";

/// Turns the database into a ledger of schema version 5, as written by the release before quarter hours. Its hour has a
/// wrong count, so that a migration that only splits hours fails the test.
const OF_VERSION_5: &str = "
    DROP TABLE lot_quarter; DROP TABLE connected_quarter;
    ALTER TABLE ledger RENAME COLUMN quarters_missing_after TO hours_missing_after;
    ALTER TABLE ledger DROP COLUMN alias_key; DROP TABLE token; DROP TABLE person; DROP TABLE login;
    ALTER TABLE event DROP COLUMN receipt;
    ALTER TABLE event DROP COLUMN supersedes; DROP TABLE superseded_due; ALTER TABLE ledger DROP COLUMN has_superseding;
    DROP TABLE webhook; DROP TABLE webhook_waiting;
    UPDATE ledger SET schema_version = 5;
    INSERT INTO lot_hour (lot_no, hour_no, entries) VALUES (1, 479768, 40)";

/// The stays of 13 hours, and a saved summary, which does not count.
async fn fill(ledger: &PostgresLedger) -> LotId {
    let lot = fill_some_hours(ledger).await;
    let summary = Summary { vehicle: vehicle("P3", "CAR1"), entry: minute(12 * 60), exit: minute(13 * 60) };
    ledger.save_summary(summary, NOW).await.unwrap();
    lot
}

#[tokio::test]
#[ignore = "needs PostgreSQL: ci/test"]
async fn the_quarter_hours_of_a_ledger_that_has_none_are_those_of_its_sessions() {
    let server = testbed::Postgres::shared().await.unwrap();
    let url = server.database().await.unwrap();
    let ledger = PostgresLedger::open(&url, &Connector::default(), NOW).await.unwrap();
    let lot = fill(&ledger).await;
    let before = ledger.quarters(&lot, ALWAYS).await.unwrap();
    server.query(&url, WITHOUT_COUNTS).await.unwrap();

    let upgraded = PostgresLedger::open(&url, &Connector::default(), NOW).await.unwrap();

    assert_eq!(before.quarters.len(), 24);
    assert_eq!(upgraded.quarters(&lot, ALWAYS).await, Ok(before));
    assert_eq!(server.query(&url, "SELECT schema_version FROM ledger").await.unwrap(), "11");
}

#[tokio::test]
#[ignore = "needs PostgreSQL: ci/test"]
async fn a_ledger_of_the_release_before_opens_with_its_rules_and_counts_quarter_hours_from_its_sessions() {
    let server = testbed::Postgres::shared().await.unwrap();
    let url = server.database().await.unwrap();
    let ledger = PostgresLedger::open(&url, &Connector::default(), NOW).await.unwrap();
    ledger.pin_rules(&GivenRules::default()).await.unwrap();
    let lot = fill(&ledger).await;
    let before = ledger.quarters(&lot, ALWAYS).await.unwrap();
    let rules = server.query(&url, "SELECT rules FROM ledger").await.unwrap();
    let lot_hour = schema::MIGRATIONS[3];
    server.query(&url, &format!("{lot_hour}; {OF_VERSION_5}")).await.unwrap();

    let upgraded = PostgresLedger::open(&url, &Connector::default(), NOW).await.unwrap();

    assert_eq!(upgraded.quarters(&lot, ALWAYS).await, Ok(before));
    assert_eq!(server.query(&url, "SELECT rules FROM ledger").await.unwrap(), rules);
    assert_eq!(server.query(&url, "SELECT schema_version FROM ledger").await.unwrap(), "11");
}

#[tokio::test]
#[ignore = "needs PostgreSQL: ci/test"]
async fn quarter_hours_are_counted_in_pieces_and_whoever_comes_next_goes_on() {
    let server = testbed::Postgres::shared().await.unwrap();
    let url = server.database().await.unwrap();
    let ledger = PostgresLedger::open(&url, &Connector::default(), NOW).await.unwrap();
    let lot = fill(&ledger).await;
    let before = ledger.quarters(&lot, ALWAYS).await.unwrap();
    let uncounted = format!("DELETE FROM lot_quarter; UPDATE ledger SET quarters_missing_after = '{}'", Uuid::nil());
    server.query(&url, &uncounted).await.unwrap();

    let pieces =
        [quarters::count_some(&ledger.store).await.unwrap(), quarters::count_some(&ledger.store).await.unwrap()];
    let so_far = ledger.quarters(&lot, ALWAYS).await.unwrap();
    let reopened = PostgresLedger::open(&url, &Connector::default(), NOW).await.unwrap();

    assert_eq!(pieces, [3, 3]);
    assert_eq!(so_far.quarters.len(), 10);
    assert_eq!(reopened.quarters(&lot, ALWAYS).await, Ok(before));
    assert_eq!(quarters::count_some(&ledger.store).await.unwrap(), 0);
}

#[tokio::test]
#[ignore = "needs PostgreSQL: ci/test"]
async fn the_steps_may_take_longer_than_any_other_statement() {
    let server = testbed::Postgres::shared().await.unwrap();
    let url = server.database().await.unwrap();
    let ledger = PostgresLedger::open(&url, &Connector::default(), NOW).await.unwrap();
    server.query(&url, WITHOUT_COUNTS).await.unwrap();
    let impatient = format!("{url}?options=-c%20statement_timeout%3D200ms");
    let is_read = "SELECT count(*) > 0 FROM pg_locks WHERE relation = 'session'::regclass AND pid <> pg_backend_pid()";

    let reading = server.query(&url, "SELECT count(*), pg_sleep(3) FROM session");
    let opening = async {
        let read = async || server.query(&url, is_read).await.unwrap() == "t";
        testbed::wait_until(Duration::from_secs(30), "somebody to read the sessions", read).await;
        PostgresLedger::open(&impatient, &Connector::default(), NOW).await
    };
    let (read, opened) = tokio::join!(reading, opening);

    read.unwrap();
    assert_eq!(opened.unwrap().id(), ledger.id());
}

#[tokio::test]
#[ignore = "needs PostgreSQL: ci/test"]
async fn a_program_of_an_older_schema_records_nothing_and_waits_to_be_replaced() {
    let server = testbed::Postgres::shared().await.unwrap();
    let url = server.database().await.unwrap();
    let older = PostgresLedger::open(&url, &Connector::default(), NOW).await.unwrap();
    fill(&older).await;
    let changes = older.last_change().await.unwrap();
    let summary = Summary { vehicle: vehicle("P3", "CAR1"), entry: minute(0), exit: minute(1) };
    server.query(&url, "UPDATE ledger SET schema_version = 12").await.unwrap();

    let refused = older.save_summary(summary.clone(), NOW).await.unwrap_err();
    let due = older.due(9, &Rules::default(), minute(1_000_000), minute(2_000_000)).await.unwrap_err();

    let text = "PostgreSQL reports: the ledger has the schema version 12 of a newer program, which has to take the place \
                of this one (55000)";
    assert_eq!([refused, due], [(); 2].map(|()| Error::Unavailable(text.into())));
    assert_eq!(older.last_change().await, Ok(changes));
    server.query(&url, "UPDATE ledger SET schema_version = 11").await.unwrap();
    assert!(older.save_summary(summary, NOW).await.unwrap().is_new);
}

#[tokio::test]
#[ignore = "needs PostgreSQL: ci/test"]
async fn a_program_that_says_no_schema_records_nothing() {
    let server = testbed::Postgres::shared().await.unwrap();
    let url = server.database().await.unwrap();
    fill(&PostgresLedger::open(&url, &Connector::default(), NOW).await.unwrap()).await;

    for statement in ["UPDATE session SET state = 5", "UPDATE event SET flags = 0", "DELETE FROM event"] {
        let refused = format!("{:#}", server.query(&url, statement).await.unwrap_err());
        assert!(refused.contains("has the schema version 11"), "{statement}: {refused}");
    }
}
