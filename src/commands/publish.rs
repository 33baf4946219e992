//! `dwell publish`: sends files of gate events to the queues of their directions, or by HTTP to a gateway (`http`).
//!
//! The original JSON text is sent. The order of the file is kept within each queue. Both queues are filled
//! concurrently, in bounded batches, each confirmed before the next one.

mod confirms;
mod http;
mod packing;

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bus::Queue;
use clap::{Arg, ArgMatches, Command, value_parser};
use event_files::{Item, Observer, RefusedLines, Verdict, atomic_file};
use parking::Direction;
use parking::readable::counted;
use parking::wire::{MAX_EVENTS_OF_MESSAGE, write_event_with};
use service_kit::ServiceContext;
use service_kit::traces::Traces;
use settings::{API_TOKEN, Settings};
use tokio::sync::mpsc;

use self::confirms::Confirms;
use self::packing::{Batch, Packer};
use crate::commands::queues::{self, Queues};
use crate::commands::{api_client, files};
use crate::terminal::progress::Progress;

const EVENTS_PER_MESSAGE: &str = "events-per-message";
/// The maximum of batches per queue that wait between the file and the bus.
const BATCHES_WAITING_MAX: usize = 4;
/// Nothing consumes from the embedded bus meanwhile, so a batch that waits longer waits for ever.
const EMBEDDED_FULL_TIMEOUT: Duration = Duration::from_mins(1);
/// After the stop, the reading thread gets this time to notice it.
const STOP_WAIT_MAX: Duration = Duration::from_secs(2);

const EXAMPLES: &str = "\
Examples:
  dwell publish events.ndjson --amqp-url amqp://guest:guest@127.0.0.1:5672
  dwell publish 2024-*.csv.gz --events-per-message 100 --refused refused.csv
  dwell publish events.ndjson --http http://gateway:8080
  generate-events | dwell publish -";

const AFTER: &str = "\
Events go to the queue of their direction on RabbitMQ (DWELL_AMQP_URL). Without it they go to the embedded queues in
DWELL_DATA_DIR, which no running dwell may use meanwhile; the next dwell that starts on that folder, without
DWELL_AMQP_URL, reads them. A folder that is not named and has no embedded queues is refused: nothing would ever read
them. Publishing a file twice does no harm: known events change nothing.

--http sends them to a gateway instead, in parts of a thousand; each part is repeated until the gateway has confirmed it.
Where the gateway requires tokens, DWELL_API_TOKEN has to be one with the scope ingest for the events' lots and gates.

Exit codes: 0 all is confirmed; 1 failed, or events were refused without --refused (the others are sent); 2 unknown
flag; 69 RabbitMQ or the gateway does not answer, a running dwell has the embedded queues, or there are none; 78 wrong settings.";

/// Why publishing failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An input can't be read to its end.
    #[error("not everything was published")]
    Input(#[from] event_files::Error),
    /// The file of refused lines can't be written.
    #[error("not everything was published")]
    Output(#[from] atomic_file::Error),
    /// The bus can't be used.
    #[error("not everything was published")]
    Queues(#[from] queues::Error),
    /// The embedded bus is full.
    #[error(
        "the embedded queue {queue} is full, and nothing consumes from it meanwhile: let dwell run until it is empty, \
         put more events into a message (--events-per-message 100), or use RabbitMQ (DWELL_AMQP_URL)"
    )]
    Full {
        /// The queue.
        queue: String,
    },
    /// The gateway took no more.
    #[error("not everything was published")]
    Http(#[from] http::Error),
    /// The reading panicked: a defect of the program.
    #[error("publishing broke off")]
    BrokenOff(#[from] tokio::task::JoinError),
}

/// The command line.
pub fn command() -> Command {
    let most = i64::try_from(MAX_EVENTS_OF_MESSAGE).unwrap_or(i64::MAX);
    let command = Command::new("publish")
        .about("Send files of gate events to the queues")
        .before_help(EXAMPLES)
        .after_help(AFTER)
        .args(files::arguments())
        .arg(http::flag().conflicts_with(EVENTS_PER_MESSAGE))
        .arg(
            Arg::new(EVENTS_PER_MESSAGE)
                .long(EVENTS_PER_MESSAGE)
                .value_name("N")
                .default_value("1")
                .value_parser(value_parser!(u32).range(1..=most))
                .help("Events in one message, as an array, if they fit into 1 MiB"),
        );
    queues::reading_too(command, &[&API_TOKEN])
}

/// Runs the command.
///
/// # Errors
/// An input can't be read, the bus can't be used, or lines were refused and not collected.
pub async fn run(matches: &ArgMatches, settings: &Settings, context: &ServiceContext) -> anyhow::Result<()> {
    let (files, refused) = files::read(matches).map_err(Error::from)?;
    if let Some(address) = http::address(matches) {
        let progress = Progress::of_bytes("publishing", event_files::total_bytes(&files));
        let token = api_client::token(settings)?;
        let verdict = http::publish(address, files, refused.as_deref(), token, &progress, context).await?;
        return Ok(verdict.check()?);
    }
    let events_per_message = matches.get_one::<u32>(EVENTS_PER_MESSAGE).map_or(1, |count| *count as usize);
    let queues = Queues::open_to_publish(settings, context).map_err(Error::from)?;
    let progress = Progress::of_bytes("publishing", event_files::total_bytes(&files));
    let verdict = publish(&queues, Job { files, refused, events_per_message }, &progress, context).await?;
    Ok(verdict.check()?)
}

/// The input and the packing of a publish.
#[derive(Debug)]
struct Job {
    files: Vec<PathBuf>,
    refused: Option<PathBuf>,
    events_per_message: usize,
}

async fn publish(queues: &Queues, job: Job, progress: &Progress, context: &ServiceContext) -> Result<Verdict, Error> {
    let begun = Instant::now();
    let confirms = Confirms::shown_by(progress);
    let observer: Arc<dyn Observer> = Arc::new(progress.clone());
    let refused = RefusedLines::new(job.refused.as_deref(), &observer)?;
    let (entries, entry_batches) = mpsc::channel(BATCHES_WAITING_MAX);
    let (exits, exit_batches) = mpsc::channel(BATCHES_WAITING_MAX);
    let mut reading = tokio::task::spawn_blocking({
        let confirms = confirms.clone();
        let packers =
            [entries, exits].map(|batches| Packer::new(batches, job.events_per_message, Arc::clone(&context.clock)));
        move || read_events(&job.files, &confirms, refused, packers)
    });
    let traces = &context.traces;
    let sending = async {
        let sent = tokio::try_join!(
            send(queues, Queue::Entry, entry_batches, &confirms, traces),
            send(queues, Queue::Exit, exit_batches, &confirms, traces)
        )?;
        Ok::<_, Error>((sent, (&mut reading).await??))
    };
    let done = tokio::select! {
        done = sending => Some(done),
        () = context.lifecycle.stopping() => None,
    };
    let Some(done) = done else {
        // Without its receivers it ends by itself, unless it waits for standard input.
        drop(tokio::time::timeout(STOP_WAIT_MAX, reading).await);
        return Err(queues::Error::Stopped.into());
    };
    let ((entry_messages, exit_messages), (events, refused)) = done?;
    progress.finish();
    let seconds = begun.elapsed().as_secs_f64();
    progress.say(&format!(
        "{} published to {} in {seconds:.2} s: {} to {}, {} to {}; {} refused",
        counted(events, "event"),
        if queues.is_embedded() { format!("the embedded queues in {}", queues.place()) } else { queues.place() },
        counted(entry_messages, "message"),
        queues.name(Queue::Entry),
        counted(exit_messages, "message"),
        queues.name(Queue::Exit),
        counted(refused.count(), "event"),
    ));
    if queues.is_embedded() {
        progress.say(
            "nothing has matched them yet: the next dwell that starts on this folder (DWELL_DATA_DIR), without \
             DWELL_AMQP_URL, reads them",
        );
    }
    Ok(refused.finish()?)
}

/// Sends the batches one after the other; returns the number of messages.
async fn send(
    queues: &Queues,
    queue: Queue,
    mut batches: mpsc::Receiver<Batch>,
    confirms: &Confirms,
    traces: &Traces,
) -> Result<u64, Error> {
    let mut sent = 0;
    while let Some(Batch { mut messages, events }) = batches.recv().await {
        sent += messages.len() as u64;
        let _span = bus::begin_publishing(&mut messages, traces);
        let publishing = queues.bus.publish(queue, messages);
        let published = if queues.is_embedded() {
            let full = |_| Error::Full { queue: queues.name(queue).to_owned() };
            tokio::time::timeout(EMBEDDED_FULL_TIMEOUT, publishing).await.map_err(full)?
        } else {
            publishing.await
        };
        published.map_err(queues::Error::from)?;
        confirms.confirmed(events);
    }
    Ok(sent)
}

/// Reads the files to their end, or until the batches have no receiver. Returns the number of events.
fn read_events(
    files: &[PathBuf],
    confirms: &Confirms,
    mut refused: RefusedLines,
    [mut entries, mut exits]: [Packer; 2],
) -> Result<(u64, RefusedLines), Error> {
    let mut events = 0;
    let mut failed = None;
    let mut written = Vec::new();
    let observer: Arc<dyn Observer> = Arc::new(confirms.clone());
    event_files::read(files, &observer, &mut |item| match item {
        Item::Event { event, certainty, supersedes, json } => {
            events += 1;
            confirms.read();
            let packer = match event.key.direction {
                Direction::Entry => &mut entries,
                Direction::Exit => &mut exits,
            };
            packer.add(json.unwrap_or_else(|| {
                written.clear();
                write_event_with(&event, certainty.as_deref(), supersedes, &mut written);
                &written
            }))
        }
        Item::Refused(line) => match refused.take(&line) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        },
    })?;
    for packer in [&mut entries, &mut exits] {
        if packer.flush().is_break() {
            tracing::debug!("the last batch has no receiver; the sender reports why");
        }
    }
    failed.map_or(Ok((events, refused)), |error| Err(error.into()))
}

#[cfg(test)]
mod tests;
