//! No output of a gateway has a token: no line of the log at any level, metric, answer, message or shown request.

use std::fmt::Write as _;

use access::Token;
use tokio::sync::mpsc;

use super::matrix::{RIGHT, WRONG, list, messages, token};
use super::refusals::Lines;
use super::*;
use crate::entrance::Entrance;
use crate::listen::listening_routes;

/// Fails if a text has a token, or the secret part of one.
fn assert_without_tokens(what: &str, text: &str) {
    for token in [token(RIGHT), token(WRONG)] {
        let secret = &token.expose()[Token::PREFIX.len() + 9..];
        assert!(!text.contains(secret) && !text.contains(&secret[..12]), "{what} has a token: {text}");
    }
}

async fn whole(response: Response) -> String {
    let (head, body) = response.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    format!("{head:?}\n{}", String::from_utf8_lossy(&body))
}

#[tokio::test]
async fn no_output_of_any_door_has_a_token() {
    let lines = Arc::new(Lines::default());
    let logging = tracing::subscriber::set_default(Arc::clone(&lines));
    for message in messages() {
        let site = Site::behind(Access::Required, Some(list()));
        for way in message.ways() {
            for random in [WRONG, RIGHT] {
                let mut asked = message.with(*way, Some(token(random).expose()));
                let broken = message.with(*way, Some(token(random).expose())).map(|_| Body::from("{"));
                let answered = site.routes.clone().oneshot(asked).await.unwrap();
                assert_without_tokens(&message.path, &whole(answered).await);
                let answered = site.routes.clone().oneshot(broken).await.unwrap();
                assert_without_tokens(&message.path, &whole(answered).await);
                // A route that does not exist, and a method that it does not have.
                asked = message.with(*way, Some(token(random).expose()));
                *asked.method_mut() = axum::http::Method::DELETE;
                let answered = site.routes.clone().oneshot(asked).await.unwrap();
                assert_without_tokens(&message.path, &whole(answered).await);
                asked = message.with(*way, Some(token(random).expose()));
                *asked.uri_mut() = format!("/nowhere{}", asked.uri()).parse().unwrap();
                let answered = site.routes.clone().oneshot(asked).await.unwrap();
                assert_without_tokens(&message.path, &whole(answered).await);
            }
        }
        for published in site.messages(Queue::Entry).await {
            assert_without_tokens("a message", &format!("{published:?} {}", String::from_utf8_lossy(&published.body)));
        }
        assert_without_tokens("the page of metrics", &service_kit::metrics::render(&site.context.registry));
    }
    drop(logging);
    let mut log = String::new();
    lines.lines().iter().for_each(|line| writeln!(log, "{line}").unwrap());
    assert!(log.contains("sender turned away"), "{log}");
    assert_without_tokens("the log", &log);
}

#[tokio::test]
async fn a_request_is_shown_without_its_token() {
    let context = ServiceContext::for_testing();
    let (sender, mut received) = mpsc::channel(1_000);
    let routes = listening_routes(Gates::parse(GATES).unwrap(), &context, sender).unwrap();
    let mut shown = 0;
    for message in messages() {
        for way in message.ways() {
            let answered = routes.clone().oneshot(message.with(*way, Some(token(RIGHT).expose()))).await.unwrap();
            assert!(answered.status().is_success(), "{message:?}");
            assert_without_tokens("a shown request", &format!("{:?}", received.recv().await.unwrap()));
            shown += 1;
        }
    }
    assert!(shown > 10);
}

#[test]
fn the_entrance_shows_no_token_when_it_is_printed() {
    let clock = ServiceContext::for_testing().clock;
    assert_without_tokens("an entrance", &format!("{:?}", Entrance::new(Access::Required, Some(list()), clock)));
}
