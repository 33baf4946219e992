//! A database server that is absent, restarts, or has another ledger than before.

use testbed::Postgres;

use super::*;

#[tokio::test]
async fn a_process_without_its_database_waits_and_reports_it() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("postgres://dwell:hidden@127.0.0.1:{}/dwell", free_port());
    let mut running = Running::start(folder.path(), &[("DWELL_DATABASE_URL", &url)]);
    running.program.wait_for_line("ledger is down", DEADLINE).await.unwrap();

    let ready = running.get("/readyz?verbose").await.unwrap();
    assert_eq!(ready.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(ready.text().await.unwrap().contains("[-]ledger"));
    assert_eq!(running.get("/livez").await.unwrap().status(), StatusCode::OK);
    assert_eq!(running.get("/metrics").await.unwrap().status(), StatusCode::OK);
    let answer = running.get("/api/v1/sessions").await.unwrap();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.headers()["content-type"], "application/problem+json");

    running.program.signal(Signal::TERM).unwrap();
    let (code, output) = ended(running.program).await;
    assert_eq!(code, Some(0), "{output}");
    assert!(!output.contains("hidden"), "{output}");
}

#[tokio::test]
#[ignore = "needs PostgreSQL: ci/test"]
async fn a_process_survives_an_outage_of_its_database() {
    let folder = tempfile::tempdir().unwrap();
    let mut postgres = Postgres::start().await.unwrap();
    let url = postgres.database().await.unwrap();
    let running = Running::start(folder.path(), &[("DWELL_DATABASE_URL", &url)]).ready().await;
    let saved = running.save().await;

    postgres.kill().unwrap();
    wait_until(DEADLINE, "the summary API is not ready", async || !running.is_ready().await).await;
    assert_eq!(running.get("/api/v1/sessions").await.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
    postgres.restart().await.unwrap();
    let running = running.ready().await;

    assert_eq!(running.save().await, saved);
    assert_eq!(running.sessions().await, json!({"sessions": [saved["session"]], "next_cursor": null}));
}

#[tokio::test]
#[ignore = "needs PostgreSQL: ci/test"]
async fn a_replaced_ledger_ends_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let mut postgres = Postgres::start().await.unwrap();
    let url = postgres.database().await.unwrap();
    let running = Running::start(folder.path(), &[("DWELL_DATABASE_URL", &url)]).ready().await;

    postgres.query(&url, "UPDATE ledger SET ledger_id = gen_random_uuid()").await.unwrap();
    assert!(running.is_ready().await);
    postgres.kill().unwrap();
    postgres.restart().await.unwrap();
    let (code, output) = ended(running.program).await;

    assert_eq!(code, Some(1), "{output}");
    assert!(output.contains("restart this process to continue with the new one"), "{output}");
}
