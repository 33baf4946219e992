//! `dwell dlq`: lists dead letters, and requeues them.
//!
//! The reason of a dead letter was set when it was published. Listing leaves every letter in the queue. Requeueing
//! publishes a letter unchanged, with its properties and headers, and waits for the confirm before it removes the
//! dead letter, so that in the worst case it is duplicated. `shown` formats letters for people.

use std::sync::Arc;
use std::time::Duration;

use bus::{Acknowledger, Consumer, Delivery, Message, Queue, Tag};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use parking::Direction;
use parking::readable::counted;
use parking::wire::parse_message;
use service_kit::ServiceContext;
use settings::Settings;

use self::shown::{Shown, as_json, as_table};
use crate::commands::queues::{self, Queues};
use crate::terminal::output;
use crate::terminal::progress::Progress;

mod shown;

const LIST: &str = "list";
const REQUEUE: &str = "requeue";
const LIMIT: &str = "limit";
const JSON: &str = "json";
const SHOW_BODIES: &str = "show-bodies";
/// The maximum of unacknowledged letters: as many as arrive in the order of their queue.
const UNACKNOWLEDGED_MAX: u64 = 2_000;
/// The timeout of the first letter, including the connection.
const FIRST_LETTER_TIMEOUT: Duration = Duration::from_secs(15);
/// If no letter arrives for this long, another consumer has the rest.
const NEXT_LETTER_TIMEOUT: Duration = Duration::from_secs(2);

const EXAMPLES: &str = "\
Examples:
  dwell dlq list --amqp-url amqp://guest:guest@127.0.0.1:5672
  dwell dlq list --limit 2000 --json | jq .reason
  dwell dlq requeue --limit 10";

const LIST_EXAMPLES: &str = "\
Examples:
  dwell dlq list
  dwell dlq list --limit 2000 --json | jq -r .reason | sort | uniq -c
  dwell dlq list --limit 1 --show-bodies";

const REQUEUE_EXAMPLES: &str = "\
Examples:
  dwell dlq requeue
  dwell dlq requeue --limit 10 --amqp-url amqp://guest:guest@127.0.0.1:5672";

const EXIT_CODES: &str = "\
Exit codes: 0 done, also when there are none; 1 failed, or stopped; 2 unknown flag; 69 RabbitMQ does not answer, or there
is no embedded bus here, or a running dwell has it; 78 wrong settings.";

const AFTER: &str = "\
The queues are those of RabbitMQ (DWELL_AMQP_URL), else of the embedded bus in DWELL_DATA_DIR, which no running dwell may
use meanwhile. Letters that die again are not tried a second time by the same requeue.";

/// Why dead letters can't be shown or requeued.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bus can't be used.
    #[error("the dead letters can't be reached")]
    Queues(#[from] queues::Error),
    /// The list can't be written.
    #[error("cannot write to standard output")]
    Output(#[source] std::io::Error),
}

/// The command line.
pub fn command() -> Command {
    let limit = Arg::new(LIMIT).long(LIMIT).value_name("N");
    let listed = limit
        .clone()
        .default_value("100")
        .value_parser(value_parser!(u64).range(1..=UNACKNOWLEDGED_MAX))
        .help("Show at most this many, the oldest first");
    let requeued =
        limit.value_parser(value_parser!(u64).range(1..)).help("Requeue at most this many, the oldest first");
    let flag = |name: &'static str, help: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue).help(help);
    let command = Command::new("dlq")
        .about("List or requeue the messages that could not be processed")
        .before_help(EXAMPLES)
        .after_help(format!("{AFTER}\n\n{EXIT_CODES}"))
        .subcommand_required(true)
        .subcommands([
            Command::new(LIST)
                .about("Show why the messages are there; they stay")
                .before_help(LIST_EXAMPLES)
                .after_help(EXIT_CODES)
                .arg(listed)
                .arg(flag(JSON, "Write one JSON object a message"))
                .arg(flag(SHOW_BODIES, "Show bodies, properties and headers too, which may hold plates")),
            Command::new(REQUEUE)
                .about("Send the messages back to the queues that they came from")
                .before_help(REQUEUE_EXAMPLES)
                .after_help(EXIT_CODES)
                .arg(requeued),
        ]);
    queues::reading(command)
}

/// Runs the command.
///
/// # Errors
/// The bus can't be used.
pub async fn run(matches: &ArgMatches, settings: &Settings, context: &ServiceContext) -> anyhow::Result<()> {
    let queues = Queues::open_existing(settings, context).map_err(Error::from)?;
    let done = async {
        match matches.subcommand() {
            Some((REQUEUE, matches)) => requeue(&queues, matches).await,
            Some((_, matches)) => list(&queues, matches).await,
            None => Ok(()),
        }
    };
    tokio::select! {
        done = done => Ok(done?),
        () = context.lifecycle.stopping() => Err(Error::from(queues::Error::Stopped).into()),
    }
}

/// The letters that were in the queue at the start. Unacknowledged ones stay in the queue.
struct Letters {
    consumer: Box<dyn Consumer>,
    acknowledger: Arc<dyn Acknowledger>,
    left: u64,
    patience: Duration,
}

impl Letters {
    async fn of(queues: &Queues, limit: Option<u64>) -> Result<(Self, u64), Error> {
        let there = queues.depth(Queue::Dead).await?;
        let left = limit.map_or(there, |limit| limit.min(there));
        let prefetch = u16::try_from(left.clamp(1, UNACKNOWLEDGED_MAX)).unwrap_or(u16::MAX);
        let consumer = queues.bus.consume(Queue::Dead, prefetch).await.map_err(queues::Error::from)?;
        Ok((Self { acknowledger: consumer.acknowledger(), consumer, left, patience: FIRST_LETTER_TIMEOUT }, there))
    }

    /// The next letters; empty at the end, or if none arrives any more.
    async fn next(&mut self) -> Result<Vec<Delivery>, Error> {
        if self.left == 0 {
            return Ok(Vec::new());
        }
        let most = usize::try_from(self.left.min(UNACKNOWLEDGED_MAX)).unwrap_or(usize::MAX);
        let received = tokio::time::timeout(self.patience, self.consumer.receive(most)).await;
        let letters = received.unwrap_or(Ok(Vec::new())).map_err(queues::Error::from)?;
        self.left -= letters.len() as u64;
        self.patience = NEXT_LETTER_TIMEOUT;
        Ok(letters)
    }
}

async fn list(queues: &Queues, matches: &ArgMatches) -> Result<(), Error> {
    let (mut letters, there) = Letters::of(queues, matches.get_one::<u64>(LIMIT).copied()).await?;
    let with_bodies = matches.get_flag(SHOW_BODIES);
    let mut seen = Vec::new();
    loop {
        let next = letters.next().await?;
        if next.is_empty() {
            break;
        }
        seen.extend(next.iter().map(|letter| Shown::of(letter, with_bodies)));
    }
    let shown =
        if matches.get_flag(JSON) { output::print_json(&as_json(&seen)) } else { output::print(&as_table(&seen)) };
    shown.map_err(Error::Output)?;
    let name = queues.name(Queue::Dead);
    let count = counted(seen.len() as u64, "message");
    let place = queues.place();
    Progress::of_waiting("listing").say(&format!("{count} of {there} in {name} at {place} shown; all stay there"));
    Ok(())
}

async fn requeue(queues: &Queues, matches: &ArgMatches) -> Result<(), Error> {
    let progress = Progress::of_things("requeueing");
    let (mut letters, there) = Letters::of(queues, matches.get_one::<u64>(LIMIT).copied()).await?;
    let (mut requeued, mut staying) = (0, 0);
    loop {
        let next = letters.next().await?;
        if next.is_empty() {
            break;
        }
        let count = next.len();
        let done = send_back(queues, next).await?;
        letters.acknowledger.acknowledge(&done).await.map_err(queues::Error::from)?;
        requeued += done.len() as u64;
        staying += (count - done.len()) as u64;
        progress.advance(done.len() as u64);
    }
    progress.finish();
    let name = queues.name(Queue::Dead);
    progress.say(&format!("{} of {there} in {name} requeued", counted(requeued, "message")));
    if staying > 0 {
        let staying = counted(staying, "message");
        progress.say(&format!("{staying} left there: neither the headers nor the body contain the original queue"));
    }
    Ok(())
}

/// Publishes the letters to their original queues, and returns which of them are safe there.
async fn send_back(queues: &Queues, letters: Vec<Delivery>) -> Result<Vec<Tag>, Error> {
    let mut done = Vec::new();
    let mut messages = [(Queue::Entry, Vec::new()), (Queue::Exit, Vec::new())];
    for letter in letters {
        let origin = origin(queues, &letter);
        if let Some((_, messages)) = messages.iter_mut().find(|(queue, _)| Some(*queue) == origin) {
            done.push(letter.tag);
            let Delivery { body, trace, properties, .. } = letter;
            messages.push(Message { body, dead_letter: None, trace, properties });
        }
    }
    for (queue, messages) in messages {
        if !messages.is_empty() {
            queues.bus.publish(queue, messages).await.map_err(queues::Error::from)?;
        }
    }
    Ok(done)
}

/// The original queue of the dead-letter reason, by our name or the broker's; else that of the event's direction.
fn origin(queues: &Queues, letter: &Delivery) -> Option<Queue> {
    let noted = letter.dead_letter.as_ref().map(|dead_letter| dead_letter.queue.as_str());
    let by_note = [Queue::Entry, Queue::Exit]
        .into_iter()
        .find(|queue| noted == Some(queue.as_str()) || noted == Some(queues.name(*queue)));
    by_note.or_else(|| {
        let elements = parse_message(&letter.body).ok()?;
        let direction = elements.into_iter().find_map(|element| element.event.ok())?.event.key.direction;
        Some(if direction == Direction::Entry { Queue::Entry } else { Queue::Exit })
    })
}

#[cfg(test)]
mod tests;
