//! An unavailable bus, or one that never confirms, is a 503 and never a loss; clients that never end cost no memory.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bus::{Consumer, Counts, Message};

use super::*;

/// A bus that confirms a number of publishes and then none.
#[derive(Debug)]
struct Stuck {
    confirms: AtomicUsize,
}

#[async_trait::async_trait]
impl Bus for Stuck {
    async fn publish(&self, _: Queue, _: Vec<Message>) -> Result<(), bus::Error> {
        let left = self.confirms.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if left.is_err() {
            std::future::pending::<()>().await;
        }
        Ok(())
    }

    async fn consume(&self, _: Queue, _: u16) -> Result<Box<dyn Consumer>, bus::Error> {
        Err(bus::Error::Stopping)
    }

    async fn counts(&self, _: Queue) -> Result<Option<Counts>, bus::Error> {
        Ok(None)
    }
}

/// Every door, with one entry each.
fn every_door() -> Vec<(&'static str, &'static str, String)> {
    let axis = json!({"capture_timestamp": "1795000000123", "plateUTF8": "AB12XYZ"}).to_string();
    let its = json!({"Picture": {"Plate": {"PlateNumber": "AB12XYZ"}, "SnapInfo": {"SnapTime": "2026-11-18 18:06:40", "DeviceID": "DEVICE1"}}});
    let envelope = json!({"specversion": "1.0", "id": "1", "source": "/p3", "type": "gate", "data": event(0)});
    vec![
        (EVENTS, "application/json", event(0).to_string()),
        (EVENTS, "application/json", json!([event(0), {"id": 1}]).to_string()),
        (EVENTS, "application/x-ndjson", event(0).to_string()),
        (EVENTS, "application/cloudevents+json", envelope.to_string()),
        ("/cameras/axis/in-1", "application/json", axis),
        ("/NotificationInfo/TollgateInfo", "application/json", its.to_string()),
    ]
}

#[tokio::test(start_paused = true)]
async fn a_bus_that_does_not_confirm_is_a_503_at_every_door() {
    let context = ServiceContext::for_testing();
    let routes = routes_on(Arc::new(Stuck { confirms: AtomicUsize::new(0) }), &context);
    for (path, content_type, body) in every_door() {
        let response = post(&routes, path, content_type, body).await;
        assert_eq!(response.headers()[header::RETRY_AFTER], "1", "{path} {content_type}");
        let (status, problem) = json_of(response).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{path} {content_type}: {problem}");
        assert!(problem.get("results").is_none(), "{problem}");
    }
}

#[tokio::test]
async fn a_bus_that_is_known_to_be_away_is_a_503_at_once() {
    let site = Site::new();
    let broker = site.context.health.dependency("rabbitmq");
    broker.down("connection refused");
    for (path, content_type, body) in every_door() {
        let response = tokio::time::timeout(Duration::from_secs(1), post(&site.routes, path, content_type, body));
        assert_eq!(response.await.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE, "{path} {content_type}");
    }
    assert_eq!((site.ids(Queue::Entry).await, site.ids(Queue::Exit).await), (Vec::new(), Vec::new()));
    broker.up();
    for (path, content_type, body) in every_door() {
        assert!(post(&site.routes, path, content_type, body).await.status().is_success(), "{path} {content_type}");
    }
    assert_eq!(site.ids(Queue::Entry).await.len(), every_door().len());
}

#[tokio::test(start_paused = true)]
async fn a_stream_whose_bus_vanishes_says_up_to_where_it_came() {
    let context = ServiceContext::for_testing();
    let routes = routes_on(Arc::new(Stuck { confirms: AtomicUsize::new(2) }), &context);
    let text = (0..20_000).map(|number| event(number * 2).to_string() + "\n").collect::<Vec<_>>().concat();
    let (status, problem) = json_of(post(&routes, EVENTS, "application/x-ndjson", in_chunks(text, 50_000)).await).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        (&problem["accepted"], &problem["confirmed_lines"]),
        (&json!(2_000), &json!(2_000)),
        "{}",
        problem["detail"]
    );
    assert!(problem["lines"].as_u64().unwrap() <= 7_000, "read on without end: {}", problem["lines"]);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_brings_nothing_is_ended() {
    let context = ServiceContext::for_testing();
    let routes = routes_on(Arc::new(Stuck { confirms: AtomicUsize::new(9) }), &context);
    let begun = futures::stream::iter([Ok::<_, Infallible>(Bytes::from(event(0).to_string() + "\n"))]);
    let body = Body::from_stream(futures::StreamExt::chain(begun, futures::stream::pending()));
    let (status, problem) = json_of(post(&routes, EVENTS, "application/x-ndjson", body).await).await;
    assert_eq!((status, &problem["confirmed_lines"]), (StatusCode::REQUEST_TIMEOUT, &json!(1)));
}

#[tokio::test(start_paused = true)]
async fn bodies_of_which_nothing_arrives_keep_no_other_body_from_being_read() {
    let context = ServiceContext::for_testing();
    let routes = routes_on(Arc::new(Stuck { confirms: AtomicUsize::new(0) }), &context);
    let endless = || Body::from_stream(futures::stream::pending::<Result<Bytes, Infallible>>());
    let waiting = (0..200).map(|_| post(&routes, "/cameras/axis/in-1", "application/json", endless()));
    let other = post(&routes, "/cameras/axis/in-1", "application/json", "{}");

    let answered = tokio::select! {
        biased;
        _ = futures::future::join_all(waiting) => panic!("the bodies that never end were answered first"),
        answered = other => answered,
    };

    assert_eq!(answered.status(), StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test(start_paused = true)]
async fn bodies_that_never_end_take_no_more_than_their_share_of_memory() {
    let context = ServiceContext::for_testing();
    let routes = routes_on(Arc::new(Stuck { confirms: AtomicUsize::new(0) }), &context);
    let mebibyte = Bytes::from(vec![b' '; 1024 * 1024]);
    let endless = || {
        let begun = std::iter::repeat_n(Ok::<_, Infallible>(mebibyte.clone()), 9);
        Body::from_stream(futures::StreamExt::chain(futures::stream::iter(begun), futures::stream::pending()))
    };
    let requests = (0..20).map(|_| post(&routes, "/cameras/axis/in-1", "application/json", endless()));
    let statuses: Vec<u16> =
        futures::future::join_all(requests).await.iter().map(|response| response.status().as_u16()).collect();
    let (timed_out, refused) = (
        statuses.iter().filter(|status| **status == 408).count(),
        statuses.iter().filter(|status| **status == 503).count(),
    );
    assert_eq!((timed_out, refused), (3, 17), "{statuses:?}");
    assert!(service_kit::metrics::render(&context.registry).contains("dwell_gateway_bodies_bytes 0"));
}

#[tokio::test(start_paused = true)]
async fn streams_beyond_the_limit_are_told_to_come_again() {
    let context = ServiceContext::for_testing();
    let routes = routes_on(Arc::new(Stuck { confirms: AtomicUsize::new(0) }), &context);
    let endless = || Body::from_stream(futures::stream::pending::<Result<Bytes, Infallible>>());
    let requests = (0..10).map(|_| post(&routes, EVENTS, "application/x-ndjson", endless()));
    let responses = futures::future::join_all(requests).await;
    let refused = responses.iter().filter(|response| response.status() == StatusCode::SERVICE_UNAVAILABLE).count();
    assert_eq!(refused, 2);
}

/// A body of which a byte arrives every now and then.
fn trickling() -> Body {
    Body::from_stream(futures::stream::unfold((), |()| async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        Some((Ok::<_, Infallible>(Bytes::from_static(b"\n")), ()))
    }))
}

#[tokio::test(start_paused = true)]
async fn slow_streams_block_no_other_one() {
    let context = ServiceContext::for_testing();
    let routes = routes_on(Arc::new(Stuck { confirms: AtomicUsize::new(9) }), &context);
    let slow = futures::future::join_all((0..8).map(|_| post(&routes, EVENTS, "application/x-ndjson", trickling())));
    let slow = tokio::time::timeout(Duration::from_mins(1), slow);
    let other = post(&routes, EVENTS, "application/x-ndjson", event(0).to_string());

    let (_, other) = tokio::join!(slow, tokio::time::timeout(Duration::from_secs(5), other));

    let (status, answer) = json_of(other.expect("it waits for a slow stream to end")).await;
    assert_eq!((status, &answer["accepted"]), (StatusCode::ACCEPTED, &json!(1)), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_ends_for_one_of_another_address_reports_its_confirmed_lines() {
    let context = ServiceContext::for_testing();
    let routes = routes_on(Arc::new(Stuck { confirms: AtomicUsize::new(usize::MAX) }), &context);
    let of = |last: u8, body: Body| {
        let network = service_kit::http::RemoteNetwork([192, 0, 2, last].into());
        let request = Request::post(EVENTS).header(header::CONTENT_TYPE, "application/x-ndjson").extension(network);
        routes.clone().oneshot(request.body(body).unwrap())
    };
    let endless = |number| {
        let begun = futures::stream::iter([Ok::<_, Infallible>(Bytes::from(event(number).to_string() + "\n"))]);
        Body::from_stream(futures::StreamExt::chain(begun, futures::stream::pending()))
    };
    let several = futures::future::select_all((0..8).map(|number| Box::pin(of(1, endless(number)))));
    let other = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        of(2, Body::from(event(8).to_string())).await
    };

    let ((ended, ..), other) = tokio::join!(several, other);

    assert_eq!(other.unwrap().status(), StatusCode::ACCEPTED);
    let (status, problem) = json_of(ended.unwrap()).await;
    assert_eq!((status, &problem["confirmed_lines"]), (StatusCode::SERVICE_UNAVAILABLE, &json!(1)), "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("ended for another"), "{problem}");
}
