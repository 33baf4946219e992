//! The health of a process: its dependencies, and whether it is ready, equal in `/readyz`, the log and a metric.
//!
//! The users of a dependency find out whether it is up.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus::IntGaugeVec;

use crate::metrics::{self, Registry};

/// The health of one process. Cheap to clone; all clones share the state.
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

/// The state of a dependency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// Not reached since the start.
    NotYet,
    /// Up.
    Up,
    /// Down, and why.
    Down(String),
}

/// A dependency and its current state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DependencyStatus {
    /// Its name.
    pub name: &'static str,
    /// Whether the service works without it.
    pub is_optional: bool,
    /// Its state: the worst of its connections.
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

    /// How many of its connections are down, as the end of a line; empty if all are up, or if it has only one.
    fn connections_down(&self, name: &str) -> String {
        let connections = || self.entries.iter().filter(|entry| entry.name == name);
        let (all, down) = (connections().count(), connections().filter(|entry| entry.status != Status::Up).count());
        if all > 1 && down > 0 { format!(" ({down} of {all} connections)") } else { String::new() }
    }

    /// The state of a dependency: the worst of its connections; down is worse than not yet connected.
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

    /// Adds a required dependency, which is down until `up` is called. Several connections to one server have a
    /// handle each; the server is up if all of them are.
    pub fn dependency(&self, name: &'static str) -> Dependency {
        self.enter(name, false)
    }

    /// Adds an optional dependency.
    pub fn optional(&self, name: &'static str) -> Dependency {
        self.enter(name, true)
    }

    /// Reports that the process is about to stop: it is not ready from now on.
    pub fn draining(&self) {
        self.state().draining = true;
    }

    /// Whether all required dependencies are up, and the process is not stopping.
    pub fn is_ready(&self) -> bool {
        let state = self.state();
        !state.draining && state.entries.iter().all(|entry| entry.optional || entry.status == Status::Up)
    }

    /// Whether the process is stopping.
    pub fn is_draining(&self) -> bool {
        self.state().draining
    }

    /// The dependencies, in order of creation.
    pub fn dependencies(&self) -> Vec<DependencyStatus> {
        self.state().dependencies()
    }

    /// One line per dependency in order of creation: `[+]name ok` or `[-]name reason`.
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

    /// Sets the state of one connection; returns the previous and the new state of its dependency.
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

/// The handle by which the user of a dependency reports its state. Repeating a state costs little and logs nothing.
/// Of several connections to one dependency, the log reports when the first is lost and when the last is back.
#[derive(Debug, Clone)]
pub struct Dependency {
    health: Health,
    name: &'static str,
    index: usize,
}

impl Dependency {
    /// Reports up. The log only reports a recovery; the first time is part of becoming ready.
    pub fn up(&self) {
        let (before, after) = self.health.set(self.index, Status::Up);
        match (before, after) {
            (Status::Down(_), Status::Up) => tracing::info!(dependency = self.name, "{} is up", self.name),
            (Status::NotYet, Status::Up) => tracing::debug!(dependency = self.name, "{} is up", self.name),
            (Status::Up, _) | (_, Status::NotYet | Status::Down(_)) => {}
        }
    }

    /// Reports down, with the reason. Operators see the reason, so it must not contain a secret.
    pub fn down(&self, reason: impl Into<String>) {
        let reason = reason.into();
        let (before, _) = self.health.set(self.index, Status::Down(reason.clone()));
        if !matches!(before, Status::Down(_)) {
            tracing::warn!(dependency = self.name, reason, "{} is down", self.name);
        }
    }

    /// Its name.
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
