//! The connection that publishes, and the task that keeps it up.

use std::sync::Arc;
use std::time::Duration;

use service_kit::{Backoff, Dependency, Lifecycle, ServiceContext};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::connection::{Broker, Live, Problem, Watch};
use super::topology;
use crate::Error;

/// A connection that lasted so long was a good one: the next attempt comes soon.
const GOOD_AFTER: Duration = Duration::from_secs(5);

/// The waits between attempts: at most 5 s, since work should go on soon after the broker is back.
pub(super) fn reconnect_backoff() -> Backoff {
    Backoff::new(Duration::from_millis(100), Duration::from_secs(5))
}

/// Whether a connection that began then was a good one.
pub(super) fn lasted(since: Instant) -> bool {
    since.elapsed() > GOOD_AFTER
}

/// The way to the connection of the moment.
#[derive(Debug, Clone)]
pub(super) struct ConnectionHandle {
    state: watch::Receiver<State>,
}

#[derive(Debug, Clone)]
enum State {
    Down,
    Up(Arc<Live>),
    Failed(Error),
}

impl ConnectionHandle {
    /// Begins to connect, until the shutdown.
    pub(super) fn start(broker: &Arc<Broker>, context: &ServiceContext, shutdown: &CancellationToken) -> Self {
        let (sender, state) = watch::channel(State::Down);
        let supervisor = Supervisor {
            broker: Arc::clone(broker),
            state: sender,
            health: context.health.dependency("rabbitmq"),
            shutdown: shutdown.clone(),
        };
        // Not on the lifecycle's tracker: publishing goes on during the drain, which must not wait for this.
        tokio::spawn(supervisor.run());
        Self { state }
    }

    /// The connection, if it is up.
    pub(super) fn live_now(&self) -> Result<Option<Arc<Live>>, Error> {
        match &*self.state.borrow() {
            State::Up(live) => Ok(Some(Arc::clone(live))),
            State::Down => Ok(None),
            State::Failed(error) => Err(error.clone()),
        }
    }

    /// The connection; waits for it, but not beyond the soft stop.
    pub(super) async fn live(&self, lifecycle: &Lifecycle) -> Result<Arc<Live>, Error> {
        let mut state = self.state.clone();
        loop {
            state.mark_unchanged();
            if let Some(live) = self.live_now()? {
                return Ok(live);
            }
            tokio::select! {
                biased;
                () = lifecycle.stopping() => return Err(Error::Stopping),
                changed = state.changed() => changed.map_err(|_| Error::Stopping)?,
            }
        }
    }
}

struct Supervisor {
    broker: Arc<Broker>,
    state: watch::Sender<State>,
    health: Dependency,
    shutdown: CancellationToken,
}

impl Supervisor {
    async fn run(self) {
        let mut backoff = reconnect_backoff();
        // Settings that worked once are right; what goes against them later is waited out.
        let mut proven = false;
        loop {
            let began = Instant::now();
            let established = tokio::select! {
                () = self.shutdown.cancelled() => return,
                established = Box::pin(self.establish()) => established,
            };
            match established {
                Ok((live, watch)) => {
                    proven = true;
                    let Some(reason) = self.serve(live, watch).await else { return };
                    self.health.down(reason);
                }
                Err(Problem::Config(text)) if !proven => {
                    self.health.down(text.as_str());
                    self.state.send_replace(State::Failed(Error::refused(text)));
                    return;
                }
                Err(problem) => self.health.down(problem.to_string()),
            }
            if lasted(began) {
                backoff.reset();
            }
            tokio::select! {
                () = self.shutdown.cancelled() => return,
                () = tokio::time::sleep(backoff.next_delay()) => {}
            }
        }
    }

    async fn establish(&self) -> Result<(Live, Watch), Problem> {
        let (live, watch) = self.broker.connect("publishing").await?;
        topology::declare(&self.broker, &live).await?;
        Ok((live, watch))
    }

    /// Offers the connection until it ends, and says why; `None` for the shutdown.
    async fn serve(&self, live: Live, mut watch: Watch) -> Option<String> {
        let live = Arc::new(live);
        self.health.up();
        self.state.send_replace(State::Up(Arc::clone(&live)));
        let reason = tokio::select! {
            () = self.shutdown.cancelled() => None,
            () = live.is_given_up() => Some("publishing failed, so the connection is made anew".to_owned()),
            reason = watch.ended(&live, &self.health) => Some(reason),
        };
        self.state.send_replace(State::Down);
        // Whoever still waits for an answer on this connection waits no more.
        live.give_up();
        if reason.is_none() {
            live.close().await;
        }
        reason
    }
}
