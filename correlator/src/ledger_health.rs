//! The health of the ledger, by kind of call.
//!
//! [`calls`](crate::calls) makes the calls.

use service_kit::{Dependency, Health};

/// A kind of call to the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    Load,
    Record,
    Due,
}

impl Call {
    pub(crate) const ALL: [Self; 3] = [Self::Load, Self::Record, Self::Due];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::Record => "record",
            Self::Due => "due",
        }
    }
}

/// The health of each kind of call, so that successes of one kind do not hide failures of another.
#[derive(Debug)]
pub(crate) struct LedgerHealth {
    load: Dependency,
    record: Dependency,
    due: Dependency,
}

impl LedgerHealth {
    /// All kinds are shown as one dependency, which is up once the ledger has returned its info.
    pub(crate) fn new(health: &Health) -> Self {
        let one = || {
            let call = health.dependency("summary-api");
            call.up();
            call
        };
        Self { load: one(), record: one(), due: one() }
    }

    pub(crate) fn of(&self, call: Call) -> &Dependency {
        match call {
            Call::Load => &self.load,
            Call::Record => &self.record,
            Call::Due => &self.due,
        }
    }
}
