//! Where messages may go: not to this machine and its network, unless that is allowed, and not where a redirect leads.

use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use parking::Timestamp;

use super::receiver::Receiver;
use super::*;
use crate::addresses::PrivateAddresses::{Allowed, Refused};

/// A webhook of no ledger.
pub(super) fn webhook_to(url: &str) -> Webhook {
    Webhook {
        id: uuid::Uuid::from_u128(1),
        name: "test".to_owned(),
        url: url.to_owned(),
        lots: Lots::All,
        kinds: WebhookKind::ALL.into_iter().collect(),
        plates: false,
        secret: access::SigningSecret::new([1; 32]),
        old_secret: None,
        created: Timestamp::from_millis(0),
        paused: None,
        sequence: 0,
        generation: 0,
        failing: None,
        delivered: None,
        leased_until: Timestamp::from_millis(0),
        waiting: 0,
        oldest_waiting: None,
    }
}

pub(super) async fn test(addresses: PrivateAddresses, url: &str) -> Result<(), String> {
    test_within(addresses, url, PATIENCE).await
}

pub(super) async fn test_within(addresses: PrivateAddresses, url: &str, timeout: Duration) -> Result<(), String> {
    let sender = Sender::new(addresses, &Connector::default());
    sender.test(&webhook_to(url), timeout, Timestamp::from_millis(0)).await
}

/// A name is refused when it is resolved, so its address can't differ from the one that is connected to.
#[tokio::test]
async fn a_private_address_is_refused_in_each_spelling_and_behind_a_name() {
    let receiver = Receiver::accepting().await;
    let port = receiver.port();
    for host in ["localhost", "LOCALHOST"] {
        let refused = test(Refused, &format!("https://{host}:{port}/")).await.unwrap_err();
        assert!(refused.starts_with("the name of the receiver has no public address"), "{host}: {refused}");
    }
    for host in
        ["127.0.0.1", "2130706433", "0x7f.1", "127.1", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "169.254.169.254"]
    {
        let refused = test(Refused, &format!("https://{host}:{port}/")).await.unwrap_err();
        assert!(refused.contains("which is not public"), "{host}: {refused}");
    }
    assert!(test(Refused, &receiver.url()).await.unwrap_err().contains("needs https"));
    assert_eq!(receiver.received().len(), 0);

    for host in ["localhost", "127.0.0.1", "2130706433"] {
        assert_eq!(test(Allowed, &format!("http://{host}:{port}/")).await, Ok(()), "{host}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let target = Receiver::accepting().await;
    let url = target.url();
    let redirecting =
        Receiver::answering(move |_, _| (StatusCode::TEMPORARY_REDIRECT, [("location", url.clone())]).into_response())
            .await;

    let problem = test(Allowed, &redirecting.url()).await.unwrap_err();

    assert_eq!(problem, "the receiver answered 307 Temporary Redirect, a redirect, which is not followed");
    assert_eq!((redirecting.received().len(), target.received().len()), (1, 0));
}
