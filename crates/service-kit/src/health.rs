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

/// How a dependency is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// It was not reached yet.
    NotYet,
    /// It answers.
    Up,
    /// It does not answer, and why.
    Down(String),
}

/// A dependency as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DependencyStatus {
    /// The name that it is shown under.
    pub name: &'static str,
    /// The service can do without it.
    pub is_optional: bool,
    /// How it is; of several connections to it, the worst.
    pub status: Status,
}

impl State {
    fn dependencies(&self) -> Vec<DependencyStatus> {
        let mut found: Vec<DependencyStatus> = Vec::new();
        for Entry { name, optional, .. } in &self.entries {
            match found.iter_mut().find(|known| known.name == *name) {
                Some(known) => known.is_optional &= optional,
                None => found.push(DependencyStatus { name, is_optional: *optional, status: self.whole(name) }),
            }
        }
        found
    }

    /// How many of its connections do not stand, as the end of a line; nothing when it has one only, or all stand.
    fn connections_down(&self, name: &str) -> String {
        let connections = || self.entries.iter().filter(|entry| entry.name == name);
        let (all, down) = (connections().count(), connections().filter(|entry| entry.status != Status::Up).count());
        if all > 1 && down > 0 { format!(" ({down} of {all} connections)") } else { String::new() }
    }

    /// How the dependency of a name is: the worst of its connections, one that is down before one that never was up.
    fn whole(&self, name: &str) -> Status {
        let connections = || self.entries.iter().filter(|entry| entry.name == name).map(|entry| &entry.status);
        let down = connections().find(|status| matches!(status, Status::Down(_)));
        down.or_else(|| connections().find(|status| **status != Status::Up)).cloned().unwrap_or(Status::Up)
    }
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

    /// Whether a stop has begun.
    pub fn is_draining(&self) -> bool {
        self.state().draining
    }

    /// Every dependency once, in the order in which they were made.
    pub fn dependencies(&self) -> Vec<DependencyStatus> {
        self.state().dependencies()
    }

    /// One line a dependency: `[+]name ok`, `[-]name reason`, in the order in which they were made.
    pub fn report(&self) -> String {
        let state = self.state();
        let mut report = String::new();
        if state.draining {
            report.push_str("[-]process stopping\n");
        }
        for DependencyStatus { name, is_optional, status } in state.dependencies() {
            let mut note = state.connections_down(name);
            if is_optional {
                note.push_str(" (optional)");
            }
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

    /// Takes how one connection is; returns how its dependency was and is.
    fn set(&self, index: usize, status: Status) -> (Status, Status) {
        let mut state = self.state();
        let name = state.entries[index].name;
        let before = state.whole(name);
        state.entries[index].status = status;
        self.show(&state, name);
        (before, state.whole(name))
    }

    fn show(&self, state: &State, name: &str) {
        self.inner.up.with_label_values(&[name]).set(i64::from(state.whole(name) == Status::Up));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.inner.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The handle with which the user of a dependency says how it is. Saying the same again costs little and logs nothing;
/// of several connections to one dependency the log tells when the first goes and when the last is back.
#[derive(Debug, Clone)]
pub struct Dependency {
    health: Health,
    name: &'static str,
    index: usize,
}

impl Dependency {
    /// It answers. That it does again is news; that it does at all is a part of being ready.
    pub fn up(&self) {
        let (before, after) = self.health.set(self.index, Status::Up);
        match (before, after) {
            (Status::Down(_), Status::Up) => tracing::info!(dependency = self.name, "{} is up", self.name),
            (Status::NotYet, Status::Up) => tracing::debug!(dependency = self.name, "{} is up", self.name),
            (Status::Up, _) | (_, Status::NotYet | Status::Down(_)) => {}
        }
    }

    /// It does not answer, and why; the reason is shown to operators and must hold no secret.
    pub fn down(&self, reason: impl Into<String>) {
        let reason = reason.into();
        let (before, _) = self.health.set(self.index, Status::Down(reason.clone()));
        if !matches!(before, Status::Down(_)) {
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
        let status = Status::Down("blocked by an alarm".to_owned());
        assert_eq!(health.dependencies(), [DependencyStatus { name: "rabbitmq", is_optional: false, status }]);
        assert_eq!(health.report(), "[-]rabbitmq blocked by an alarm (1 of 2 connections)\n");
    }
}
