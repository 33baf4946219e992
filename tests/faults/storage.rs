//! The ledger's disk is full for a while, its file is replaced, its database goes away, its clock is wrong.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use testbed::{Postgres, wait_until};

use super::{Engine, Site, UNDER_WAY};
use crate::support::PATIENCE;

/// The largest file that the summary API may write, in blocks of 512 bytes: less than the ledger of a load.
const FILE_BLOCKS: &str = "4096";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and Redis: ci/test"]
async fn the_ledger_can_not_be_written_for_a_while() {
    let limited = format!("trap '' XFSZ; ulimit -S -f {FILE_BLOCKS}; exec \"$0\"");
    let mut site = Site::idle(Engine::Sqlite, &["sh", "-c", &limited], None).await;
    site.publish();
    let readyz = format!("http://127.0.0.1:{}/readyz", site.port);
    wait_until(PATIENCE, "the summary API to say that its disk is full", async || {
        testbed::get(&readyz).await.is_ok_and(|answer| answer.status() == 503)
    })
    .await;
    site.fault();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let pid = site.api.pid().to_string();
    let raised = Command::new("prlimit").args(["--pid", &pid, "--fsize=unlimited"]).status().unwrap();
    assert!(raised.success());
    site.ends_exact("ledger: disk full for 5 s").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and Redis: ci/test"]
async fn an_older_ledger_takes_the_place_of_the_file_and_the_right_one_comes_back() {
    let mut site = Site::under_load_on(Engine::Sqlite).await;
    site.fault();
    let (ledger, aside) = (site.ledger(), site.folder.path().join("aside"));
    std::fs::rename(&ledger, &aside).unwrap();
    std::fs::create_dir(&ledger).unwrap();
    std::fs::copy(aside.join("ledger.sqlite"), ledger.join("ledger.sqlite")).unwrap();

    let status = site.api.wait(Duration::from_secs(15)).await.unwrap();
    assert!(!status.success(), "{}", site.api.output());
    std::fs::remove_dir_all(&ledger).unwrap();
    std::fs::rename(&aside, &ledger).unwrap();
    site.restart_api();
    site.ends_exact("ledger: file replaced by an older copy, then brought back").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ, Redis and PostgreSQL: ci/test"]
async fn the_disk_of_the_database_is_full_for_a_while() {
    if Postgres::start_on_own_disk().await.unwrap().is_none() {
        eprintln!("NOT CHECKED with a full disk of PostgreSQL: this process must not mount file systems");
        return;
    }
    let mut site = Site::under_load_on(Engine::PostgresOnOwnDisk).await;
    site.fault();
    site.postgres.as_ref().unwrap().fill_disk().unwrap();
    let readyz = format!("http://127.0.0.1:{}/readyz", site.port);
    wait_until(PATIENCE, "the summary API to report that it can't write", async || {
        testbed::get(&readyz).await.is_ok_and(|answer| answer.status() == 503)
    })
    .await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let postgres = site.postgres.as_mut().unwrap();
    assert!(postgres.log().unwrap().contains("No space left on device"));
    postgres.free_disk().unwrap();
    // A server that finds no room for its log either ends itself, and its operator starts it again.
    if !postgres.is_running() {
        eprintln!("PostgreSQL ended on the full disk and is started again");
        postgres.restart().await.unwrap();
    }
    site.ends_exact("ledger: disk full for 5 s").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ, Redis and PostgreSQL: ci/test"]
async fn the_database_of_the_ledger_is_killed() {
    let mut site = Site::under_load_on(Engine::Postgres).await;
    site.fault();
    site.postgres.as_mut().unwrap().restart().await.unwrap();
    site.ends_exact("PostgreSQL: kill -9").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ, Redis and PostgreSQL: ci/test"]
async fn the_database_of_the_ledger_is_stopped_for_a_while() {
    let mut site = Site::under_load_on(Engine::Postgres).await;
    site.fault();
    let postgres = site.postgres.as_ref().unwrap();
    postgres.pause().unwrap();
    tokio::time::sleep(Duration::from_secs(15)).await;
    postgres.resume().unwrap();
    site.ends_exact("PostgreSQL: SIGSTOP for 15 s").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ, Redis and libfaketime: ci/test"]
async fn the_clock_of_the_summary_api_is_400_days_ahead_for_a_while() {
    let mut site = Site::under_load().await;
    site.fault();
    site.api.kill().unwrap();
    site.api = site
        .summary_api()
        .env("LD_PRELOAD", false_clock())
        .env("FAKETIME", "+400d")
        .env("DONT_FAKE_MONOTONIC", "1")
        .start()
        .unwrap();
    site.reached(UNDER_WAY).await;
    site.api.kill().unwrap();
    site.restart_api();
    site.ends_exact("clock of the summary API: 400 days ahead, then right").await;
}

/// The library that gives a program another clock, as Debian's package `libfaketime` has it.
fn false_clock() -> PathBuf {
    let folders = std::fs::read_dir("/usr/lib").unwrap().map(|entry| entry.unwrap().path());
    let library = folders.map(|folder| folder.join("faketime/libfaketimeMT.so.1")).find(|path| path.exists());
    library.expect("Debian's package `libfaketime`, which ci/test installs")
}
