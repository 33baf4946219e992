//! The contract on the embedded bus, and the promises about its file.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use bus::embedded::{Embedded, Limits};
use bus::{Bus, Consumer, DeadLetterReason, Message, Queue};
use service_kit::ServiceContext;
use tempfile::TempDir;
use testbed::wait_until;

use crate::claims::{House, SMALL_MESSAGES, contract};
use crate::numbered::{EVENT_DEADLINE, drained, messages, numbers, within};

contract!(Folder::new());

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
}

impl House for Folder {
    async fn open(&self, context: &ServiceContext) -> Arc<dyn Bus> {
        Arc::new(Embedded::open(self.0.path(), Limits::default(), context).unwrap())
    }

    async fn open_small(&self, context: &ServiceContext) -> Arc<dyn Bus> {
        let limits = Limits { messages_max: SMALL_MESSAGES, ..Limits::default() };
        Arc::new(Embedded::open(self.0.path(), limits, context).unwrap())
    }
}

#[tokio::test]
async fn a_second_bus_on_the_same_folder_is_refused_with_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let context = ServiceContext::for_testing();
    let _first = Embedded::open(folder.path(), Limits::default(), &context).unwrap();

    let refusal = Embedded::open(folder.path(), Limits::default(), &context).unwrap_err().to_string();

    assert_eq!(
        refusal,
        format!(
            "the embedded bus is unavailable: {} is in use by another process; stop that one, or set DWELL_DATA_DIR to \
             another folder",
            folder.path().join("bus.redb").display()
        )
    );
}

#[tokio::test]
async fn a_file_that_is_no_bus_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bus.redb");
    std::fs::write(&file, "a letter to my aunt").unwrap();

    let refusal = Embedded::open(folder.path(), Limits::default(), &ServiceContext::for_testing()).unwrap_err();

    assert!(refusal.to_string().starts_with(&format!("cannot open the embedded bus {}", file.display())), "{refusal}");
    assert_eq!(std::fs::read(&file).unwrap(), b"a letter to my aunt");
}

#[tokio::test]
async fn a_file_from_before_properties_were_kept_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let file = redb::Database::create(folder.path().join("bus.redb")).unwrap();
    let transaction = file.begin_write().unwrap();
    for queue in ["entry", "exit", "dead"] {
        let bodies = redb::TableDefinition::<u64, &[u8]>::new(queue);
        transaction.open_table(bodies).unwrap().insert(7, &b"a body"[..]).unwrap();
    }
    let notes = redb::TableDefinition::<u64, (&str, &str)>::new("dead.death");
    transaction.open_table(notes).unwrap().insert(7, ("id is missing", "entry")).unwrap();
    transaction.commit().unwrap();
    drop(file);

    let bus = Embedded::open(folder.path(), Limits::default(), &ServiceContext::for_testing()).unwrap();

    let reason = DeadLetterReason { reason: "id is missing".to_owned(), queue: "entry".to_owned() };
    for (queue, dead_letter) in [(Queue::Entry, None), (Queue::Exit, None), (Queue::Dead, Some(reason))] {
        let found = bus.consume(queue, 1).await.unwrap().receive(1).await.unwrap().remove(0);
        assert_eq!((&*found.body, found.dead_letter, found.properties), (&b"a body"[..], dead_letter, None));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_file_does_not_grow_under_steady_traffic() {
    const ROUND_MESSAGES: usize = 10_000;
    let folder = tempfile::tempdir().unwrap();
    let bus = Embedded::open(folder.path(), Limits::default(), &ServiceContext::for_testing()).unwrap();
    let mut consumer = bus.consume(Queue::Entry, 2_000).await.unwrap();
    let mut sizes = Vec::new();
    let start = Instant::now();

    for _ in 0..20 {
        let (published, ()) =
            tokio::join!(publish_in_batches(&bus, ROUND_MESSAGES), discard(&mut *consumer, ROUND_MESSAGES));
        published.unwrap();
        sizes.push(std::fs::metadata(folder.path().join("bus.redb")).unwrap().len());
    }

    let rate = 20_000 * ROUND_MESSAGES as u128 / start.elapsed().as_millis().max(1);
    println!("{rate} messages/s, bytes of the file {sizes:?}");
    assert!(sizes[19] <= 2 * sizes[4], "the file grows: {sizes:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_is_killed_loses_nothing_that_it_was_told_is_safe() {
    let folder = tempfile::tempdir().unwrap();
    let mut confirmed = 0;
    for _ in 0..3 {
        confirmed = killed_publisher(folder.path(), confirmed + 200);
    }

    let bus = Embedded::open(folder.path(), Limits::default(), &ServiceContext::for_testing()).unwrap();
    let mut consumer = bus.consume(Queue::Entry, 1_000).await.unwrap();
    let found = drained(&mut *consumer, confirmed as usize).await;

    assert_eq!(found, numbers(0..confirmed));
}

/// The body of the child process of the test above; does nothing without its environment variable.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn publishes_until_it_is_killed() {
    let Ok(folder) = std::env::var(FOLDER_OF_CHILD) else { return };
    let bus = Embedded::open(Path::new(&folder), Limits::default(), &ServiceContext::for_testing()).unwrap();
    let next = bus.depth(Queue::Entry).await.unwrap().unwrap();
    for number in u32::try_from(next).unwrap().. {
        bus.publish(Queue::Entry, messages([number])).await.unwrap();
        println!("{CONFIRMED}{number}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_is_full_is_waited_out() {
    let folder = tempfile::tempdir().unwrap();
    // A limit on file sizes stands in for a full disk: 2 MiB, in the shell's units of 512 bytes.
    let mut child = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -S -f 4096; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "embedded::publishes_more_than_the_disk_takes", "--nocapture"])
        .env(FOLDER_OF_CHILD, folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);

    assert!(lines.any(|line| line == FULL), "the disk was never full");
    let raised =
        Command::new("prlimit").args(["--fsize=unlimited", "--pid", &child.id().to_string()]).status().unwrap();
    assert!(raised.success());
    lines.for_each(drop);
    assert!(child.wait().unwrap().success());

    let bus = Embedded::open(folder.path(), Limits::default(), &ServiceContext::for_testing()).unwrap();
    let mut consumer = bus.consume(Queue::Entry, 1_000).await.unwrap();
    assert_eq!(drained(&mut *consumer, TOO_MANY_MESSAGES as usize).await, numbers(0..TOO_MANY_MESSAGES));
    assert_eq!(bus.depth(Queue::Entry).await, Ok(Some(0)));
}

/// The body of the child process of the test above; does nothing without its environment variable.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn publishes_more_than_the_disk_takes() {
    let Ok(folder) = std::env::var(FOLDER_OF_CHILD) else { return };
    let context = ServiceContext::for_testing();
    let bus = Embedded::open(Path::new(&folder), Limits::default(), &context).unwrap();
    let publishing = tokio::spawn(async move {
        for number in 0..TOO_MANY_MESSAGES {
            bus.publish(Queue::Entry, vec![Message::new(format!("{number:010000}"))]).await.unwrap();
        }
    });

    wait_until(EVENT_DEADLINE, "the disk to be full", async || !context.health.is_ready()).await;
    assert!(context.health.report().contains("bus.redb"), "{}", context.health.report());
    println!("{FULL}");

    within(publishing).await.unwrap();
    assert!(context.health.is_ready());
}

/// Messages of 10 kB, more than fit into 2 MiB.
const TOO_MANY_MESSAGES: u32 = 400;
const FULL: &str = "the disk is full";
const FOLDER_OF_CHILD: &str = "BUS_TEST_FOLDER";
const CONFIRMED: &str = "confirmed ";

/// Runs a publisher until this many messages are confirmed, kills it, and returns how many were confirmed in the end.
fn killed_publisher(folder: &Path, enough: u32) -> u32 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "embedded::publishes_until_it_is_killed", "--nocapture"])
        .env(FOLDER_OF_CHILD, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut confirmed = 0;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let Some(number) = line.unwrap().strip_prefix(CONFIRMED).map(|number| number.parse::<u32>().unwrap()) else {
            continue;
        };
        confirmed = number + 1;
        if confirmed == enough {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    assert!(confirmed >= enough, "the publisher ended by itself");
    confirmed
}

async fn publish_in_batches(bus: &Embedded, count: usize) -> Result<(), bus::Error> {
    const BATCH_MESSAGES: usize = 250;
    let body = Message::new(vec![b'x'; 160]);
    for _ in 0..count / (4 * BATCH_MESSAGES) {
        let batch = || bus.publish(Queue::Entry, vec![body.clone(); BATCH_MESSAGES]);
        tokio::try_join!(batch(), batch(), batch(), batch())?;
    }
    Ok(())
}

async fn discard(consumer: &mut dyn Consumer, count: usize) {
    let acknowledger = consumer.acknowledger();
    let mut left = count;
    within(async {
        while left > 0 {
            let deliveries = consumer.receive(left.min(500)).await.unwrap();
            left -= deliveries.len();
            let tags: Vec<_> = deliveries.iter().map(|delivery| delivery.tag).collect();
            acknowledger.acknowledge(&tags).await.unwrap();
        }
    })
    .await;
}
