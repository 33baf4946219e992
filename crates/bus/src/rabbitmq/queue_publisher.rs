//! The publisher of one queue: one channel, one window of messages at a time, each published until it is confirmed.
//!
//! A window contains the messages of many callers (group commit). Publishing it as a group costs a fifth of the
//! client's time of one by one; then all its confirms are awaited. Each queue has its own channel and only one open
//! window, because the library may attach a returned message to the confirm of another one.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::ShortString;
use lapin::{Channel, Confirmation};
use service_kit::{Backoff, Lifecycle};
use tokio::sync::{mpsc, oneshot};

use super::connection::{Broker, Live, within};
use super::connection_handle::ConnectionHandle;
use super::headers;
use super::properties::Publishing;
use crate::{Error, Message, Queue};

/// Jobs in the queue behind the current window.
const JOBS_WAITING_MAX: usize = 32;
/// Close a window at this many messages.
const WINDOW_MESSAGES_MAX: usize = 2_000;
/// Close a window at this many bytes of bodies.
const WINDOW_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The timeout of a window's confirms. A quorum queue may elect a new leader in between.
const CONFIRM_DEADLINE: Duration = Duration::from_secs(30);

/// The messages of one caller, and the channel for the result.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) messages: Vec<Message>,
    pub(super) done: oneshot::Sender<Result<(), Error>>,
}

/// A handle to the task that publishes to one queue. Dropping it ends the task.
#[derive(Debug)]
pub(super) struct QueuePublisher {
    jobs: mpsc::Sender<Job>,
}

impl QueuePublisher {
    pub(super) fn start(
        queue: Queue,
        broker: &Arc<Broker>,
        connection: &ConnectionHandle,
        lifecycle: &Lifecycle,
    ) -> Self {
        let (jobs, waiting) = mpsc::channel(JOBS_WAITING_MAX);
        let publisher = Publisher {
            waiting,
            broker: Arc::clone(broker),
            is_dead_letter: queue == Queue::Dead,
            queue: broker.queue_name(queue),
            connection: connection.clone(),
            lifecycle: lifecycle.clone(),
            channel: None,
        };
        // Not on the lifecycle's tracker: publishing goes on during the drain, which must not wait for this.
        tokio::spawn(publisher.run());
        Self { jobs }
    }

    /// Submits a job, in the order of the calls; waits while the queue of jobs is full.
    pub(super) async fn submit(&self, job: Job) -> Result<(), Error> {
        self.jobs.send(job).await.map_err(|_| Error::Stopping)
    }
}

struct Publisher {
    waiting: mpsc::Receiver<Job>,
    broker: Arc<Broker>,
    is_dead_letter: bool,
    queue: ShortString,
    connection: ConnectionHandle,
    lifecycle: Lifecycle,
    channel: Option<(Arc<Live>, Channel)>,
}

/// The result of publishing a window.
#[derive(Debug, Default)]
struct Outcome {
    /// The messages to publish again, in order.
    again: Vec<Message>,
    trouble: Option<Trouble>,
}

/// Why messages must be published again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    /// The queue is full, or has no leader at the moment.
    Rejected,
    /// The queue does not exist.
    Unroutable,
    /// The channel or connection broke, or did not answer.
    Lost,
}

impl Publisher {
    async fn run(mut self) {
        while let Some(first) = self.waiting.recv().await {
            let (messages, receipts) = self.window(first);
            let published = self.publish(messages).await;
            for receipt in receipts {
                // The caller may have been cancelled.
                drop(receipt.send(published.clone()));
            }
        }
    }

    /// The job and those waiting behind it, up to the limits of a window.
    fn window(&mut self, first: Job) -> (Vec<Message>, Vec<oneshot::Sender<Result<(), Error>>>) {
        let size = |messages: &[Message]| messages.iter().map(Message::bytes).sum::<usize>();
        let mut bytes = size(&first.messages);
        let (mut messages, mut receipts) = (first.messages, vec![first.done]);
        while messages.len() < WINDOW_MESSAGES_MAX
            && bytes < WINDOW_BYTES_MAX
            && let Ok(job) = self.waiting.try_recv()
        {
            bytes += size(&job.messages);
            messages.extend(job.messages);
            receipts.push(job.done);
        }
        (messages, receipts)
    }

    /// Publishes until every message is confirmed, or until it would have to wait during a stop.
    async fn publish(&mut self, mut messages: Vec<Message>) -> Result<(), Error> {
        let mut backoff = Backoff::new(Duration::from_millis(10), Duration::from_secs(2));
        let mut told = false;
        loop {
            let Some((live, channel)) = self.channel().await? else {
                self.wait(&mut backoff).await?;
                continue;
            };
            let before = messages.len();
            let outcome = self.attempt(&live, &channel, messages).await?;
            let Some(trouble) = outcome.trouble else {
                if told {
                    tracing::info!(queue = self.queue.as_str(), "publishing goes on");
                }
                return Ok(());
            };
            messages = outcome.again;
            if messages.len() < before {
                backoff.reset();
            }
            if trouble != Trouble::Rejected {
                self.channel = None;
            }
            if trouble == Trouble::Unroutable || (trouble == Trouble::Lost && channel.status().connected()) {
                // A reconnect also declares the queues, and replaces a connection that does not answer.
                live.give_up();
            }
            if !std::mem::replace(&mut told, true) {
                warn_of(trouble, self.queue.as_str());
            }
            self.wait(&mut backoff).await?;
        }
    }

    /// A channel on the current connection; `None` if it can't be opened.
    async fn channel(&mut self) -> Result<Option<(Arc<Live>, Channel)>, Error> {
        let live = self.connection.live(&self.lifecycle).await?;
        if let Some((its, channel)) = &self.channel
            && Arc::ptr_eq(its, &live)
            && channel.status().connected()
        {
            return Ok(Some((live, channel.clone())));
        }
        self.channel = None;
        let opened = within("opening a channel to publish", async {
            let channel = live.connection().create_channel().await?;
            channel.confirm_select(ConfirmSelectOptions::default()).await?;
            Ok(channel)
        });
        match opened.await {
            Ok(channel) => {
                self.channel = Some((Arc::clone(&live), channel.clone()));
                Ok(Some((live, channel)))
            }
            Err(failure) => {
                tracing::debug!(error = %failure, "no channel to publish");
                // A broker that blocks the connection opens no channel either, and that is temporary.
                if !live.is_blocked() {
                    live.give_up();
                }
                Ok(None)
            }
        }
    }

    /// Publishes the messages once. Keeps waiting while the broker blocks the connection: messages in flight are not
    /// lost.
    async fn attempt(&self, live: &Live, channel: &Channel, messages: Vec<Message>) -> Result<Outcome, Error> {
        let results = {
            let publishing = Publishing { user: self.broker.user(), is_dead_letter: self.is_dead_letter };
            let mut sending = std::pin::pin!(send(channel, &self.queue, &messages, &publishing));
            loop {
                tokio::select! {
                    biased;
                    results = &mut sending => break results,
                    () = live.is_given_up() => break Vec::new(),
                    () = self.lifecycle.stopping(), if live.is_blocked() => return Err(Error::Stopping),
                    () = self.lifecycle.aborted() => return Err(Error::Stopping),
                    () = tokio::time::sleep(CONFIRM_DEADLINE) => if !live.is_blocked() { break Vec::new() },
                }
            }
        };
        Ok(judge(messages, results))
    }

    /// Waits for the next attempt; a stop ends the wait.
    async fn wait(&self, backoff: &mut Backoff) -> Result<(), Error> {
        if backoff.wait(&self.lifecycle).await { Ok(()) } else { Err(Error::Stopping) }
    }
}

async fn send(
    channel: &Channel,
    queue: &ShortString,
    messages: &[Message],
    publishing: &Publishing<'_>,
) -> Vec<lapin::Result<Confirmation>> {
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    let publish = |message: &Message| {
        let properties = headers::properties(message, publishing);
        let body = message.body.clone();
        // Boxed, because the futures of a group are moved into one vector.
        Box::pin(async move { channel.basic_publish("".into(), queue.clone(), options, &body, properties).await })
    };
    let sent = join_all(messages.iter().map(publish)).await;
    join_all(sent.into_iter().map(async |sent| sent?.await)).await
}

/// Decides which messages must be published again. Without results, all of them.
fn judge(messages: Vec<Message>, results: Vec<lapin::Result<Confirmation>>) -> Outcome {
    if results.len() < messages.len() {
        return Outcome { again: messages, trouble: Some(Trouble::Lost) };
    }
    if results.iter().flatten().any(is_returned) {
        // It is not certain which one was returned (see the module's documentation); twice is better than never.
        return Outcome { again: messages, trouble: Some(Trouble::Unroutable) };
    }
    let mut outcome = Outcome::default();
    for (message, result) in messages.into_iter().zip(results) {
        match result {
            Ok(Confirmation::Ack(_)) => continue,
            Ok(Confirmation::Nack(_)) => {
                outcome.trouble.get_or_insert(Trouble::Rejected);
            }
            Ok(Confirmation::NotRequested) | Err(_) => outcome.trouble = Some(Trouble::Lost),
        }
        outcome.again.push(message);
    }
    outcome
}

fn is_returned(confirmation: &Confirmation) -> bool {
    matches!(confirmation, Confirmation::Ack(Some(_)) | Confirmation::Nack(Some(_)))
}

fn warn_of(trouble: Trouble, queue: &str) {
    match trouble {
        Trouble::Rejected => tracing::warn!(queue, "RabbitMQ rejects messages, its queue is full: publishing waits"),
        Trouble::Unroutable => {
            tracing::warn!(queue, "RabbitMQ returns messages, the queue is missing: reconnecting");
        }
        Trouble::Lost => tracing::warn!(queue, "messages are not confirmed, so they are published again"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(count: u8) -> Vec<Message> {
        (0..count).map(|number| Message::new(vec![number])).collect()
    }

    fn lost() -> lapin::Result<Confirmation> {
        Err(lapin::ErrorKind::MissingHeartbeatError.into())
    }

    #[test]
    fn only_what_is_not_confirmed_is_published_again_in_order() {
        let results =
            vec![Ok(Confirmation::Ack(None)), Ok(Confirmation::Nack(None)), lost(), Ok(Confirmation::Ack(None))];

        let outcome = judge(messages(4), results);

        assert_eq!((outcome.again, outcome.trouble), (messages(3)[1..].to_vec(), Some(Trouble::Lost)));
    }

    #[test]
    fn without_an_answer_everything_is_published_again() {
        let outcome = judge(messages(2), Vec::new());

        assert_eq!((outcome.again, outcome.trouble), (messages(2), Some(Trouble::Lost)));
    }

    #[test]
    fn a_window_that_is_confirmed_is_done() {
        let outcome = judge(messages(1), vec![Ok(Confirmation::Ack(None))]);

        assert_eq!((outcome.again, outcome.trouble), (Vec::new(), None));
    }
}
