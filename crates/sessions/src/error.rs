//! Why a call of the service did not succeed.

/// Why a call of the service did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The ledger could not do it.
    #[error(transparent)]
    Ledger(#[from] ledger::Error),
    /// The ledger did not answer in time. What was begun runs to its end; the same call may be sent again.
    #[error("the ledger did not answer within {} s", super::LEDGER_DEADLINE.as_secs())]
    TooSlow,
    /// The principal may not do this.
    #[error(transparent)]
    Denied(#[from] access::Denied),
    /// What was asked makes no sense: sending it again will not help.
    #[error("{0}")]
    Refused(String),
    /// As many are served as may be: the same call may succeed later.
    #[error("{0}")]
    Full(String),
    /// A task panicked: a fault of this program.
    #[error("a fault of this program; its log says more")]
    Defect,
}

impl Error {
    /// Whether the same call may succeed later.
    pub fn is_temporary(&self) -> bool {
        match self {
            // A process whose ledger was replaced is started again, on the new one.
            Self::Ledger(ledger::Error::Unavailable(_) | ledger::Error::Replaced(_))
            | Self::TooSlow
            | Self::Full(_) => true,
            Self::Ledger(ledger::Error::Config(_) | ledger::Error::InUse(_) | ledger::Error::Corrupt(_))
            | Self::Denied(_)
            | Self::Refused(_)
            | Self::Defect => false,
        }
    }
}
