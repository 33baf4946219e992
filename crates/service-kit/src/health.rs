//! Which dependencies are up, and whether the service is ready: what `/readyz`, the log and a metric say alike.
//!
//! Finding out whether a dependency is up is left to whoever uses it.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus::IntGaugeVec;

use crate::metrics::{self, Registry};

/// The health of one process. Cheap to clone; all clones are the same.
#[derive(Debug, Clone)]
pub struct Health {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    entries: Mutex<State>,
    up: IntGaugeVec,
}

#[derive(Debug, Default)]
struct State {
    draining: bool,
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    name: &'static str,
    optional: bool,
    status: Status,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Status {
    NotYet,
    Up,
    Down(String),
}

impl Health {
    /// A health without dependencies, which is ready. Its metric is `dwell_dependency_up`.
    pub fn new(registry: &Registry) -> Self {
        let up = metrics::gauge_vec(
            registry,
            "dwell_dependency_up",
            "Whether the dependency answers: 1 or 0",
            &["dependency"],
        )
        .expect("this name is registered here only, always with the same label");
        Self { inner: Arc::new(Inner { entries: Mutex::default(), up }) }
    }

    /// A dependency without which the service is not ready. It counts as down until it is said to be up. Several
    /// connections to one server each take a handle of their own; the server is up when all of them are.
    pub fn dependency(&self, name: &'static str) -> Dependency {
        self.enter(name, false)
    }

    /// A dependency that is shown, but that the service can do without.
    pub fn optional(&self, name: &'static str) -> Dependency {
        self.enter(name, true)
    }

    /// Says that the process is about to stop: from now on it is not ready.
    pub fn draining(&self) {
        self.state().draining = true;
    }

    /// Whether all that is needed is up, and no stop has begun.
    pub fn is_ready(&self) -> bool {
        let state = self.state();
        !state.draining && state.entries.iter().all(|entry| entry.optional || entry.status == Status::Up)
    }

    /// One line a dependency: `[+]name ok`, `[-]name reason`, in the order in which they were made.
    pub fn report(&self) -> String {
        let state = self.state();
        let mut report = String::new();
        if state.draining {
            report.push_str("[-]process stopping\n");
        }
        for Entry { name, optional, status } in &state.entries {
            let note = if *optional { " (optional)" } else { "" };
            let written = match status {
                Status::Up => writeln!(report, "[+]{name} ok{note}"),
                Status::NotYet => writeln!(report, "[-]{name} not connected yet{note}"),
                Status::Down(reason) => writeln!(report, "[-]{name} {reason}{note}"),
            };
            written.expect("writing to a String cannot fail");
        }
        report
    }

    fn enter(&self, name: &'static str, optional: bool) -> Dependency {
        let mut state = self.state();
        state.entries.push(Entry { name, optional, status: Status::NotYet });
        let index = state.entries.len() - 1;
        self.show(&state, name);
        drop(state);
        Dependency { health: self.clone(), name, index }
    }

    fn set(&self, index: usize, status: Status) -> Status {
        let mut state = self.state();
        let before = std::mem::replace(&mut state.entries[index].status, status);
        let name = state.entries[index].name;
        self.show(&state, name);
        before
    }

    fn show(&self, state: &State, name: &str) {
        let up = state.entries.iter().filter(|entry| entry.name == name).all(|entry| entry.status == Status::Up);
        self.inner.up.with_label_values(&[name]).set(i64::from(up));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.inner.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The handle with which the user of a dependency says how it is. Saying the same again costs little and logs nothing.
#[derive(Debug, Clone)]
pub struct Dependency {
    health: Health,
    name: &'static str,
    index: usize,
}

impl Dependency {
    /// It answers.
    pub fn up(&self) {
        if self.health.set(self.index, Status::Up) != Status::Up {
            tracing::info!(dependency = self.name, "{} is up", self.name);
        }
    }

    /// It does not answer, and why; the reason is shown to operators and must hold no secret.
    pub fn down(&self, reason: impl Into<String>) {
        let reason = reason.into();
        if !matches!(self.health.set(self.index, Status::Down(reason.clone())), Status::Down(_)) {
            tracing::warn!(dependency = self.name, reason, "{} is down", self.name);
        }
    }

    /// The name that it is shown under.
    pub fn name(&self) -> &'static str {
        self.name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn service_without_dependencies_is_ready() {
        assert!(Health::new(&Registry::new()).is_ready());
    }

    #[test]
    fn service_is_ready_while_all_that_it_needs_is_up() {
        let health = Health::new(&Registry::new());
        let rabbitmq = health.dependency("rabbitmq");
        let redis = health.optional("redis");

        assert!(!health.is_ready());
        rabbitmq.up();
        assert!(health.is_ready());
        redis.down("connection refused");
        assert!(health.is_ready());
        assert_eq!(health.report(), "[+]rabbitmq ok\n[-]redis connection refused (optional)\n");
        rabbitmq.down("heartbeat missed");
        assert!(!health.is_ready());
    }

    #[test]
    fn draining_service_is_not_ready() {
        let health = Health::new(&Registry::new());
        health.dependency("rabbitmq").up();
        health.draining();
        assert!(!health.is_ready());
        assert_eq!(health.report(), "[-]process stopping\n[+]rabbitmq ok\n");
    }

    #[test]
    fn server_with_two_connections_is_up_when_both_are() {
        let registry = Registry::new();
        let health = Health::new(&registry);
        let (publishing, consuming) = (health.dependency("rabbitmq"), health.dependency("rabbitmq"));
        let shown = || metrics::render(&registry).contains("dwell_dependency_up{dependency=\"rabbitmq\"} 1");

        publishing.up();
        assert!(!shown() && !health.is_ready());
        consuming.up();
        assert!(shown() && health.is_ready());
        publishing.down("blocked by an alarm");
        assert!(!shown() && !health.is_ready());
    }
}
