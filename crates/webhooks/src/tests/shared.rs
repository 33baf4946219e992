//! Several summary APIs deliver from one ledger: each webhook is delivered by one of them at a time.

use std::time::Duration;

use axum::http::StatusCode;
use axum::response::IntoResponse as _;

use super::receiver::{Receiver, accepted};
use super::*;

/// A lease that a test can wait for.
fn with_short_lease() -> Pace {
    Pace { lease: Duration::from_secs(6), answer_timeout: Duration::from_secs(2), ..quick() }
}

async fn postgres() -> Arc<dyn Ledger> {
    let server = testbed::Postgres::shared().await.unwrap();
    open(&server.database().await.unwrap()).await
}

async fn open(url: &str) -> Arc<dyn Ledger> {
    ledger_stores::open(url, &Connector::default(), minute(0)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: ci/test"]
async fn of_two_summary_apis_one_delivers_and_the_other_takes_over() {
    let server = testbed::Postgres::shared().await.unwrap();
    let url = server.database().await.unwrap();
    let ledgers = [open(&url).await, open(&url).await];
    record(&ledgers[0], vehicles("P3", 0, 100)).await;
    let receiver = Receiver::answering(|message, attempt| {
        let is_refused = message.sequence().is_multiple_of(3) && attempt == 1;
        if is_refused { StatusCode::SERVICE_UNAVAILABLE.into_response() } else { accepted() }
    })
    .await;
    let [first, second] = ledgers.each_ref().map(|ledger| Site::on(ledger, with_short_lease()));
    let webhook = first.webhook(&receiver).await;
    testbed::wait_until(PATIENCE, "some deliveries", async || receiver.accepted() >= 100).await;

    // Like a crash: the lease stays.
    first.context.lifecycle.abort();
    record(&ledgers[1], vehicles("P3", 100, 100)).await;
    second.until(&webhook, "all deliveries", |webhook| webhook.sequence == 800 && webhook.waiting == 0).await;

    assert_in_order(&receiver.received(), 1..=800);
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: ci/test"]
async fn two_summary_apis_send_each_message_once_while_both_are_well() {
    let ledger = postgres().await;
    record(&ledger, vehicles("P3", 0, 100)).await;
    let receiver = Receiver::accepting().await;
    let sites = [(); 2].map(|()| Site::on(&ledger, quick()));

    let webhook = sites[0].webhook(&receiver).await;
    sites[0].until(&webhook, "all deliveries", |webhook| webhook.sequence == 400 && webhook.waiting == 0).await;

    assert_eq!(receiver.received().len(), 400);
    assert_in_order(&receiver.received(), 1..=400);
    for site in sites {
        site.stop().await;
    }
}
