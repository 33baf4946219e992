//! How events are packed, and how progress is shown.

use bus::{BusConfig, Message, embedded};
use parking::wire::MAX_BODY_BYTES;

use super::*;

fn packed(events_per_message: usize, events: &[&str]) -> Vec<Vec<String>> {
    let (sender, mut receiver) = mpsc::channel(100);
    let mut packer = Packer::new(sender, events_per_message, ServiceContext::for_testing().clock);
    for event in events {
        assert!(packer.add(event.as_bytes()).is_continue());
    }
    assert!(packer.flush().is_continue());
    drop(packer);
    let text = |message: &Message| String::from_utf8(message.body.to_vec()).unwrap();
    std::iter::from_fn(|| receiver.blocking_recv()).map(|batch| batch.messages.iter().map(text).collect()).collect()
}

#[test]
fn one_event_is_a_message_and_several_are_an_array() {
    assert_eq!(packed(1, &["{1}", "{2}"]), [["{1}", "{2}"]]);
    assert_eq!(packed(2, &["{1}", "{2}", "{3}"]), [["[{1},{2}]", "{3}"]]);
    assert!(packed(3, &[]).is_empty());
}

#[test]
fn a_message_is_never_longer_than_a_message_may_be() {
    let long = "x".repeat(MAX_BODY_BYTES / 2);
    let messages = packed(10, &[&long, &long, &long]).concat();
    assert_eq!(messages, [long.as_str(), &long, &long]);
}

/// Publishes a hundred events to embedded queues in a folder. Returns the result, the position of the bar and its
/// length.
async fn published(messages_max: usize) -> (Result<Verdict, Error>, u64, u64) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("events.ndjson");
    let event = r#"{"id":"9b810e76-6ec9-4286-a3ca-828dd5f4b3b2","vehicle_plate":"A1","entry_date_time":"2024-09-24T09:00:00Z"}"#;
    std::fs::write(&file, format!("{event}\n").repeat(100)).unwrap();
    let config = BusConfig { data_dir: folder.path().to_owned(), ..BusConfig::default() };
    let config = BusConfig { limits: embedded::Limits { messages_max, ..config.limits }, ..config };
    let context = ServiceContext::for_testing();
    let queues = Queues { bus: bus::open(&config, &context).unwrap(), config };
    let (progress, total) = (Progress::hidden(), event_files::total_bytes(std::slice::from_ref(&file)).unwrap());
    let job = Job { files: vec![file], refused: None, events_per_message: 1 };
    (publish(&queues, job, &progress, &context).await, progress.position(), total)
}

#[tokio::test]
async fn the_bar_is_full_when_all_is_confirmed() {
    let (done, position, total) = published(1_000).await;
    assert!(done.is_ok() && position == total, "{done:?}: {position} of {total}");
}

#[tokio::test(start_paused = true)]
async fn the_bar_stays_empty_while_nothing_is_confirmed() {
    let (done, position, _) = published(1).await;
    assert!(matches!(done, Err(Error::Full { .. })), "{done:?}");
    assert_eq!(position, 0);
}

#[test]
fn batches_are_bounded() {
    let events = vec!["{}"; 2_500];
    let lengths: Vec<usize> = packed(1, &events).iter().map(Vec::len).collect();
    assert_eq!(lengths, [1_000, 1_000, 500]);
}

#[test]
fn the_command_line_is_sound() {
    command().debug_assert();
}
