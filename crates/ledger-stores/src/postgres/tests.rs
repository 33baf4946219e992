//! Claims that only the ledger in `PostgreSQL` makes; the others are in the contract.

use parking::{LotId, Plate, Vehicle};

use super::list::{open_sql, scan_sql};
use super::*;
use crate::Order;

mod conflicting;
mod upgrading;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

async fn refusal(url: &str) -> String {
    match PostgresLedger::open(url, &Connector::default(), NOW).await {
        Err(Error::Config(text)) => text,
        other => panic!("it was not refused: {other:?}"),
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL: ci/test"]
async fn a_ledger_of_a_newer_program_is_refused_and_left_alone() {
    let server = testbed::Postgres::shared().await.unwrap();
    let url = server.database().await.unwrap();
    let id = PostgresLedger::open(&url, &Connector::default(), NOW).await.unwrap().id();
    server.query(&url, "UPDATE ledger SET schema_version = 12").await.unwrap();

    assert_eq!(
        refusal(&url).await,
        "the ledger has the schema version 12 of a newer program, and this one knows up to 11: start the newer program, \
         or name another database in DWELL_DATABASE_URL"
    );
    server.query(&url, "UPDATE ledger SET schema_version = 11").await.unwrap();
    assert_eq!(PostgresLedger::open(&url, &Connector::default(), NOW).await.unwrap().id(), id);
}

#[tokio::test]
#[ignore = "needs PostgreSQL: ci/test"]
async fn a_database_of_another_program_is_refused_and_left_alone() {
    let server = testbed::Postgres::shared().await.unwrap();
    let url = server.database().await.unwrap();
    server.query(&url, "CREATE TABLE sheep (name text)").await.unwrap();

    assert!(refusal(&url).await.contains("has tables (sheep), but not those of a ledger"));

    let tables = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'";
    assert_eq!(server.query(&url, tables).await.unwrap(), "1");
}

#[tokio::test]
#[ignore = "needs PostgreSQL: ci/test"]
async fn a_database_that_takes_no_connections_is_waited_for() {
    let server = testbed::Postgres::shared().await.unwrap();
    let (url, other) = (server.database().await.unwrap(), server.database().await.unwrap());
    let ledger = PostgresLedger::open(&url, &Connector::default(), NOW).await.unwrap();
    let name = url.rsplit('/').next().unwrap();
    let ended = format!("SELECT count(pg_terminate_backend(pid)) > 0 FROM pg_stat_activity WHERE datname = '{name}'");

    server.query(&other, &format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false")).await.unwrap();
    server.query(&other, &ended).await.unwrap();
    let refused = ledger.ping().await;
    server.query(&other, &format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true")).await.unwrap();

    assert!(matches!(refused, Err(Error::Unavailable(_))), "{refused:?}");
    testbed::wait_until(Duration::from_secs(30), "the ledger to be back", async || ledger.ping().await.is_ok()).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: ci/test"]
async fn a_wrong_password_or_database_is_for_a_person_and_is_not_shown() {
    let server = testbed::Postgres::shared().await.unwrap();
    let url = server.database().await.unwrap();
    let (password, database) = (url.replace(":dwell@", ":secret@"), format!("{url}_missing"));
    for wrong in [&password, &database] {
        let text = refusal(wrong).await;
        assert!(text.contains("check user, password, database") && !text.contains("secret"), "{text}");
    }
    assert!(refusal("postgres://dwell:secret@[").await.starts_with("DWELL_DATABASE_URL can't be read"));
}

#[tokio::test]
#[ignore = "needs PostgreSQL: ci/test"]
async fn several_that_open_an_empty_database_at_once_make_one_ledger() {
    let server = testbed::Postgres::shared().await.unwrap();
    let url = server.database().await.unwrap();

    let connector = Connector::default();
    let opened = (0..4).map(|_| PostgresLedger::open(&url, &connector, NOW));
    let opened = futures::future::try_join_all(opened).await.unwrap();

    assert!(opened.iter().all(|ledger| ledger.id() == opened[0].id()));
}

#[tokio::test]
#[ignore = "needs PostgreSQL: ci/test"]
async fn a_server_that_comes_back_is_used_again() {
    let mut server = testbed::Postgres::start().await.unwrap();
    let url = server.database().await.unwrap();
    let ledger = PostgresLedger::open(&url, &Connector::default(), NOW).await.unwrap();
    ledger.ping().await.unwrap();

    server.kill().unwrap();
    assert!(matches!(ledger.ping().await, Err(Error::Unavailable(_))));
    assert!(matches!(PostgresLedger::open(&url, &Connector::default(), NOW).await, Err(Error::Unavailable(_))));
    assert!(matches!(ledger.record(Vec::new(), &Rules::default(), NOW).await, Err(Error::Unavailable(_))));

    server.restart().await.unwrap();
    let answers = async || ledger.ping().await.is_ok();
    testbed::wait_until(Duration::from_secs(30), "the ledger to answer again", answers).await;
    assert_eq!(ledger.lots().await, Ok(Vec::new()));
}

#[tokio::test]
#[ignore = "needs PostgreSQL: ci/test"]
async fn a_ledger_that_can_t_write_says_so_until_it_can() {
    let server = testbed::Postgres::shared().await.unwrap();
    let (url, other_url) = (server.database().await.unwrap(), server.database().await.unwrap());
    let ledger = PostgresLedger::open(&url, &Connector::default(), NOW).await.unwrap();
    let vehicle = Vehicle { lot: LotId::default(), plate: Plate::from_read("ABC123").unwrap() };
    let summary = Summary { vehicle, entry: NOW, exit: NOW.plus_millis(1) };
    let writable = async |word: &str| {
        let name = url.rsplit('/').next().unwrap();
        let sql = format!("ALTER DATABASE {name} SET default_transaction_read_only = {word}");
        server.query(&other_url, &sql).await.unwrap();
        disconnect(server, &url).await;
    };
    ledger.save_summary(summary.clone(), NOW).await.unwrap();

    // Like on a full disk, reads succeed and writes fail.
    writable("on").await;
    let other = Summary { exit: NOW.plus_millis(2), ..summary.clone() };
    assert!(matches!(ledger.save_summary(other.clone(), NOW).await, Err(Error::Unavailable(_))));
    for _ in 0..3 {
        assert!(matches!(ledger.ping().await, Err(Error::Unavailable(text)) if text.contains("read-only")));
    }
    assert_eq!(ledger.lots().await.unwrap().len(), 1);
    writable("off").await;

    assert_eq!(ledger.ping().await, Ok(()));
    ledger.save_summary(other, NOW).await.unwrap();
    assert_eq!(server.query(&url, "SELECT count(*) FROM event").await.unwrap(), "0");
}

/// Closes all other connections, as a restart of the server does.
async fn disconnect(server: &testbed::SharedPostgres, url: &str) {
    let others = "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    server.query(url, others).await.unwrap();
}

#[tokio::test]
#[ignore = "needs PostgreSQL: ci/test"]
async fn another_ledger_behind_new_connections_is_noticed() {
    let server = testbed::Postgres::shared().await.unwrap();
    let url = server.database().await.unwrap();
    let ledger = PostgresLedger::open(&url, &Connector::default(), NOW).await.unwrap();
    assert_eq!(ledger.lots().await, Ok(Vec::new()));

    server.query(&url, "UPDATE ledger SET ledger_id = gen_random_uuid()").await.unwrap();
    disconnect(server, &url).await;
    let replaced = ledger.lots().await;
    server.query(&url, "DROP TABLE ledger").await.unwrap();
    let lost = ledger.lots().await;

    let id = ledger.id().to_string();
    assert!(matches!(&replaced, Err(Error::Replaced(text)) if text.contains(&id)), "{replaced:?}");
    assert!(matches!(&lost, Err(Error::Unavailable(text)) if text.contains(&id)), "{lost:?}");
}

#[tokio::test]
#[ignore = "needs PostgreSQL: ci/test"]
async fn an_older_copy_of_the_ledger_is_asked_anew_for_lots_and_numbers() {
    let server = testbed::Postgres::shared().await.unwrap();
    let url = server.database().await.unwrap();
    let ledger = PostgresLedger::open(&url, &Connector::default(), NOW).await.unwrap();
    let vehicle = |plate| Vehicle { lot: LotId::default(), plate: Plate::from_read(plate).unwrap() };
    let save = async |plate| {
        let summary = Summary { vehicle: vehicle(plate), entry: NOW, exit: NOW.plus_millis(1) };
        ledger.save_summary(summary, NOW).await.unwrap().row
    };
    save("BEFORE").await;

    // The copy is older than the first summary, and another lot has received the number since.
    let older = "TRUNCATE lot, vehicle, event, session, open_stay, change; UPDATE change_count SET changes = 0;
        INSERT INTO lot (lot_no, lot_id) VALUES (1, 'other'); SELECT setval('lot_lot_no_seq', 1)";
    server.query(&url, older).await.unwrap();
    disconnect(server, &url).await;
    let saved = save("AFTER").await;

    assert_eq!(saved.session.vehicle, vehicle("AFTER"));
    assert_eq!(ledger.session(saved.session.id).await, Ok(Some(saved)));
}

#[tokio::test]
#[ignore = "needs PostgreSQL: ci/test"]
async fn every_list_walks_an_index_in_its_order() {
    let server = testbed::Postgres::shared().await.unwrap();
    let ledger = PostgresLedger::open(&server.database().await.unwrap(), &Connector::default(), NOW).await.unwrap();
    for (rows, index) in [
        ("state <> 5", "session_pkey"),
        ("state = 2", "session_pkey"),
        ("state <> 5 AND lot_no = 7", "session_lot"),
        ("state = 2 AND lot_no = 7", "session_lot"),
        ("exceptional AND state = 5 AND lot_no = 7", "session_exceptional"),
        ("listed AND vehicle_no = 7 AND state IN (0, 1)", "session_listed"),
    ] {
        walks(&ledger, &scan_sql(rows, Order::NewestFirst), index).await;
    }
    walks(&ledger, &open_sql(Order::NewestFirst), "open_stay_pkey").await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: ci/test"]
async fn an_event_is_looked_for_in_those_pages_only_that_may_have_it() {
    let server = testbed::Postgres::shared().await.unwrap();
    let ledger = PostgresLedger::open(&server.database().await.unwrap(), &Connector::default(), NOW).await.unwrap();
    let mut client = ledger.store.connection().await.unwrap();
    let transaction = client.transaction().await.unwrap();
    transaction.batch_execute(events::BY_PAGES).await.unwrap();

    let sql = events::WITH_ID.replace("$1", &format!("'{}'", Uuid::max())).replace("$2", "16");
    let plan = transaction.query(&format!("EXPLAIN (COSTS OFF) {sql}"), &[]).await.unwrap();

    let plan: Vec<&str> = plan.iter().map(|row| row.get(0)).collect();
    assert!(plan.iter().any(|step| step.contains("Bitmap Index Scan on event_id")), "{plan:#?}");
    // Of an id that very many events have, the query keeps no more than the call returns.
    assert!(plan[0].starts_with("Limit"), "{plan:#?}");
}

/// Checks that a list is read backwards from an index, without sorting.
async fn walks(ledger: &PostgresLedger, sql: &str, index: &str) {
    let (first, last) = (format!("'{}'", Uuid::nil()), format!("'{}'", Uuid::max()));
    let sql = sql.replace("$1", &first).replace("$2", &last).replace("$3", "100").replace("$4", "7");
    let client = ledger.store.connection().await.unwrap();
    let plan = client.query(&format!("EXPLAIN (COSTS OFF) {sql}"), &[]).await.unwrap();
    let plan: Vec<&str> = plan.iter().map(|row| row.get(0)).collect();
    assert!(!plan.iter().any(|step| step.contains("Sort")), "{sql}: {plan:#?}");
    assert!(plan.iter().any(|step| step.contains(&format!("Backward using {index} "))), "{sql}: {plan:#?}");
}
