//! What the reports of the correlators leave open: whether any message may be in hands that nobody sees. Pure.
//!
//! The broker counts the consumers of each queue. A consumer that belongs to no correlator that reports may have taken
//! messages that are neither ready nor in flight anywhere: it is that of a correlator that hangs or can't reach this
//! summary API, or of another program. When a correlator dies, the broker drops its consumers and delivers their
//! messages again, so nothing has to be remembered of it.

use std::fmt;

use parking::Timestamp;
use parking::readable::human_duration;
use recorder::{CorrelatorStatus, QueueReport};
use uuid::Uuid;

use super::ReportedCorrelator;

/// How long a correlator counts as reporting after its report. It reports each second.
pub(super) const REPORTING_MS: i64 = 3_000;

/// The two queues that correlators consume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Entry,
    Exit,
}

impl Side {
    const BOTH: [Self; 2] = [Self::Entry, Self::Exit];

    fn of(self, status: &CorrelatorStatus) -> &QueueReport {
        match self {
            Self::Entry => &status.entry,
            Self::Exit => &status.exit,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Entry => "entry",
            Self::Exit => "exit",
        }
    }
}

/// How the correlators stand at a moment.
#[derive(Debug)]
pub(super) struct Standing<'a> {
    reporting: Vec<&'a ReportedCorrelator>,
    silent: Vec<&'a ReportedCorrelator>,
    now: Timestamp,
}

impl<'a> Standing<'a> {
    /// A correlator whose report is older than `reporting_ms` is silent.
    pub(super) fn of(all: impl Iterator<Item = &'a ReportedCorrelator>, now: Timestamp, reporting_ms: i64) -> Self {
        let (reporting, silent) = all.partition(|one| one.age_ms(now) <= reporting_ms.unsigned_abs());
        Self { reporting, silent, now }
    }

    /// Consumers of a queue that belong to no reporting correlator; `None` when none of these has the broker's counts.
    pub(super) fn strangers(&self, side: Side) -> Option<u64> {
        let counted = self.reporting.iter().filter_map(|one| Some(side.of(&one.status).broker?.consumers)).max()?;
        let own: u64 = self.reporting.iter().map(|one| side.of(&one.status).own_consumers).sum();
        Some(counted.saturating_sub(own))
    }

    /// Whether a silent correlator may hold messages.
    pub(super) fn waits_for_silent(&self) -> bool {
        self.silent.iter().any(|one| may_hold_messages(one)) && !self.is_accounted()
    }

    /// Whether each consumer belongs to a reporting correlator.
    pub(super) fn is_accounted(&self) -> bool {
        Side::BOTH.iter().all(|side| self.strangers(*side) == Some(0))
    }

    /// Whether no message is anywhere, as of the last reports.
    pub(super) fn is_idle(&self) -> bool {
        let is_idle = |one: &&ReportedCorrelator| {
            Side::BOTH.iter().all(|side| {
                let report = side.of(&one.status);
                report.broker.is_some_and(|broker| broker.ready == 0) && report.in_flight == 0
            })
        };
        !self.reporting.is_empty() && self.is_accounted() && self.reporting.iter().all(is_idle)
    }

    /// Which correlators and consumers are waited for; what their reports count is left out.
    pub(super) fn waits(&self) -> Vec<Wait> {
        let mut waits = Vec::new();
        if self.reporting.is_empty() {
            waits.push(Wait::NoCorrelator);
        }
        if !self.is_accounted() {
            waits.extend(self.silent.iter().filter(|one| may_hold_messages(one)).map(|one| self.silence(one)));
        }
        for side in Side::BOTH {
            match self.strangers(side) {
                None if self.reporting.is_empty() => {}
                None => waits.push(Wait::Uncounted { queue: side.as_str() }),
                Some(0) => {}
                Some(consumers) => waits.push(Wait::Strangers { queue: side.as_str(), consumers }),
            }
        }
        waits
    }

    fn silence(&self, one: &ReportedCorrelator) -> Wait {
        let silent_s = one.age_ms(self.now) / 1_000;
        Wait::Silent { correlator: one.status.correlator, silent_s, in_flight: one.status.in_flight() }
    }

    /// The hold of an exit up to this time may end: no entry before it is in the queue or in a correlator's hands, as far
    /// as the queue's order goes. Strangers are passed over when `strangers_wait` is false.
    pub(super) fn entries_until(&self, strangers_wait: bool) -> Timestamp {
        let (never, always) = (Timestamp::from_millis(i64::MIN), Timestamp::from_millis(i64::MAX));
        let counts = self.reporting.iter().filter_map(|one| one.status.entry.broker);
        let Some(ready) = counts.map(|broker| broker.ready).max() else { return never };
        if strangers_wait && self.strangers(Side::Entry) != Some(0) {
            return never;
        }
        let until = |one: &&ReportedCorrelator| one.status.entry_watermark.unwrap_or(never);
        let of_queue = if ready == 0 { always } else { self.reporting.iter().map(until).max().unwrap_or(never) };
        let working = self.reporting.iter().filter(|one| one.status.entry.undecided > 0);
        working.map(until).min().unwrap_or(always).min(of_queue)
    }
}

/// A correlator or a consumer that may hold messages, so that not all work is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wait {
    /// No correlator reports.
    NoCorrelator,
    /// A correlator reports no longer.
    Silent {
        /// Which.
        correlator: Uuid,
        /// For how many seconds.
        silent_s: u64,
        /// The messages that it held according to its last report.
        in_flight: u64,
    },
    /// No correlator has the broker's counts of a queue.
    Uncounted {
        /// Which queue.
        queue: &'static str,
    },
    /// A queue has consumers that belong to no correlator that reports.
    Strangers {
        /// Which queue.
        queue: &'static str,
        /// How many.
        consumers: u64,
    },
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCorrelator => {
                f.write_str("no correlator reports (is one running, and does it know this summary API?)")
            }
            Self::Silent { correlator, silent_s, in_flight } => {
                let silence = human_duration(i64::try_from(*silent_s).unwrap_or(i64::MAX).saturating_mul(1_000));
                let messages = if *in_flight == 1 { "message" } else { "messages" };
                let id = correlator.simple().to_string();
                write!(
                    f,
                    "correlator {} has been silent for {silence} and had {in_flight} {messages} in flight",
                    &id[..8]
                )
            }
            Self::Uncounted { queue } => {
                write!(f, "the broker does not say how many messages and consumers the {queue} queue has")
            }
            Self::Strangers { queue, consumers } => {
                let are = if *consumers == 1 { "consumer" } else { "consumers" };
                write!(
                    f,
                    "{consumers} {are} of the {queue} queue that no reporting correlator has: a correlator that hangs or \
                     can't reach this summary API, or another program"
                )
            }
        }
    }
}

/// Whether it said nothing to the contrary.
pub(super) fn may_hold_messages(one: &ReportedCorrelator) -> bool {
    let status = &one.status;
    status.in_flight() > 0 || status.entry.own_consumers + status.exit.own_consumers > 0
}
