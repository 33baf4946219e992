//! `PostgreSQL` in the testbed: what tests rely on when they start, share and break one.

use std::time::Duration;

use testbed::Postgres;

#[tokio::test]
#[ignore = "needs PostgreSQL: ci/test"]
async fn what_was_committed_outlives_a_kill() {
    let mut postgres = Postgres::start().await.unwrap();
    let database = postgres.database().await.unwrap();
    postgres.query(&database, "CREATE TABLE spots (name text); INSERT INTO spots VALUES ('A1')").await.unwrap();

    postgres.kill().unwrap();
    let answer_of_the_dead = postgres.query(&database, "SELECT 1").await;
    postgres.restart().await.unwrap();

    assert!(answer_of_the_dead.is_err());
    assert_eq!(postgres.query(&database, "SELECT name, 1 FROM spots").await.unwrap(), "A1|1");
    assert_eq!(postgres.query(&database, "SHOW fsync").await.unwrap(), "on");
}

#[tokio::test]
#[ignore = "needs PostgreSQL: ci/test"]
async fn databases_keep_tests_on_one_server_apart() {
    let shared = Postgres::shared().await.unwrap();
    let one = shared.database().await.unwrap();
    let other = shared.database().await.unwrap();

    shared.query(&one, "CREATE TABLE spots (name text)").await.unwrap();

    let tables = "SELECT count(*) FROM information_schema.tables WHERE table_name = 'spots'";
    assert_eq!(shared.query(&one, tables).await.unwrap(), "1");
    assert_eq!(shared.query(&other, tables).await.unwrap(), "0");
}

#[tokio::test]
#[ignore = "needs PostgreSQL: ci/test"]
async fn a_paused_server_answers_once_it_resumes_also_on_older_connections() {
    let postgres = Postgres::start().await.unwrap();
    let database = postgres.database().await.unwrap();
    // PostgreSQL has a process for each connection, in a process group of its own.
    let mut asking = Box::pin(postgres.query(&database, "SELECT 2 FROM pg_sleep(1)"));
    assert!(tokio::time::timeout(Duration::from_millis(500), &mut asking).await.is_err());

    postgres.pause().unwrap();
    let paused = tokio::time::timeout(Duration::from_secs(2), &mut asking).await;
    postgres.resume().unwrap();

    assert!(paused.is_err(), "a paused server has answered");
    assert_eq!(asking.await.unwrap(), "2");
    assert_eq!(postgres.query(&database, "SELECT 1").await.unwrap(), "1");
}
