//! The publishing connection, and the supervisor task that reconnects it.

use std::sync::Arc;
use std::time::Duration;

use service_kit::{Backoff, Dependency, Lifecycle, ServiceContext};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::connection::{Broker, Live, Problem, Watch};
use super::topology;
use crate::Error;

/// A connection that lasted this long resets the backoff.
const STABLE_AFTER: Duration = Duration::from_secs(5);

/// The backoff between attempts: at most 5 s, since work should continue soon after the broker is back.
pub(super) fn reconnect_backoff() -> Backoff {
    Backoff::new(Duration::from_millis(100), Duration::from_secs(5))
}

/// Whether a connection that began at `since` resets the backoff.
pub(super) fn lasted(since: Instant) -> bool {
    since.elapsed() > STABLE_AFTER
}

/// A handle to the current connection.
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
    /// Connects in the background, until the shutdown.
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

    /// Waits for the connection, until the soft stop.
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
        // Settings that worked once are correct; later refusals are retried.
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

    /// Offers the connection until it ends, and returns the reason; `None` for the shutdown.
    async fn serve(&self, live: Live, mut watch: Watch) -> Option<String> {
        let live = Arc::new(live);
        self.health.up();
        self.state.send_replace(State::Up(Arc::clone(&live)));
        let reason = tokio::select! {
            () = self.shutdown.cancelled() => None,
            () = live.is_given_up() => Some("publishing failed, reconnecting".to_owned()),
            reason = watch.ended(&live, &self.health) => Some(reason),
        };
        self.state.send_replace(State::Down);
        // Fails all pending requests on this connection.
        live.give_up();
        if reason.is_none() {
            live.close().await;
        }
        reason
    }
}
