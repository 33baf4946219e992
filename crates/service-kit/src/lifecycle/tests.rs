//! Claims about stopping: softly, hard, and because of a failed task.

use super::*;

const DRAIN: Duration = Duration::from_secs(10);

#[tokio::test(start_paused = true)]
async fn soft_stop_lets_a_task_finish() {
    let lifecycle = Lifecycle::new();
    let inside = lifecycle.clone();
    lifecycle.spawn("worker", async move {
        inside.stopping().await;
        tokio::time::sleep(DRAIN / 2).await;
        Ok(())
    });

    lifecycle.stop();
    let ended = lifecycle.finished(DRAIN).await;

    assert!(ended.is_ok(), "{ended:?}");
    assert!(lifecycle.running().is_empty());
}

#[tokio::test(start_paused = true)]
async fn drain_that_takes_too_long_is_cut_off_and_named() {
    let lifecycle = Lifecycle::new();
    lifecycle.spawn("stuck", std::future::pending());
    lifecycle.spawn("quick", async { Ok(()) });

    lifecycle.stop();
    let error = lifecycle.finished(DRAIN).await.unwrap_err();

    assert!(lifecycle.is_aborted());
    assert!(matches!(error, Error::CutOff { unfinished } if unfinished == ["stuck"]));
}

#[tokio::test(start_paused = true)]
async fn second_stop_aborts_at_once() {
    let lifecycle = Lifecycle::new();
    lifecycle.spawn("stuck", std::future::pending());
    let start = tokio::time::Instant::now();

    lifecycle.stop();
    lifecycle.abort();
    let error = lifecycle.finished(DRAIN).await.unwrap_err();

    assert!(matches!(error, Error::CutOff { unfinished } if unfinished == ["stuck"]));
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn task_that_fails_before_the_stop_stops_the_process_and_is_named() {
    let lifecycle = Lifecycle::new();
    let other = lifecycle.clone();
    lifecycle.spawn("other", async move {
        other.stopping().await;
        Err("a consequence of the first".into())
    });
    lifecycle.spawn("ledger", async { Err("disk is full".into()) });

    let error = lifecycle.finished(DRAIN).await.unwrap_err();

    assert_eq!(error.to_string(), "ledger failed");
    assert_eq!(error.source().unwrap().to_string(), "disk is full");
}

#[tokio::test(start_paused = true)]
async fn task_that_panics_stops_the_process_and_is_named() {
    let lifecycle = Lifecycle::new();
    lifecycle.spawn("worker", async { panic!("impossible state {}", 7) });

    let error = lifecycle.finished(DRAIN).await.unwrap_err();

    assert_eq!(error.to_string(), "worker panicked: impossible state 7");
}

#[tokio::test(start_paused = true)]
async fn task_that_ends_well_stops_nothing() {
    let lifecycle = Lifecycle::new();
    lifecycle.spawn("backfill", async { Ok(()) });
    while !lifecycle.running().is_empty() {
        tokio::task::yield_now().await;
    }
    assert!(!lifecycle.is_stopping());
}

#[tokio::test(start_paused = true)]
async fn failure_during_the_stop_is_no_failure_of_the_process() {
    let lifecycle = Lifecycle::new();
    let inside = lifecycle.clone();
    lifecycle.spawn("publisher", async move {
        inside.stopping().await;
        Err("connection closed".into())
    });

    lifecycle.stop();

    assert!(lifecycle.finished(DRAIN).await.is_ok());
}
