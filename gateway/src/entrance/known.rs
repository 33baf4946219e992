//! The tokens that are known: a list that is replaced as a whole, or those of another service of the process.

use std::fmt::Debug;
use std::sync::{Arc, PoisonError, RwLock};

use access::{Principal, Refused, Tokens};
use parking::Timestamp;

/// Finds the principals of tokens.
pub trait KnownTokens: Debug + Send + Sync {
    /// The principal of a token; none while no list of tokens has been read.
    fn authenticate(&self, shown: &str, now: Timestamp) -> Option<Result<Principal, Refused>>;

    /// Whether a token is compared where none is required.
    fn is_compared(&self) -> bool;

    /// Whether a list of tokens has been read.
    fn is_read(&self) -> bool;
}

/// The result of reading a list of tokens.
#[derive(Debug)]
pub(super) enum Read {
    /// Another list than before.
    Changed(Tokens),
    /// The list is the one that was read last.
    Unchanged,
    /// The list can't be read.
    Failed,
}

/// The list that was read last.
#[derive(Debug, Default)]
pub(crate) struct TokenList(RwLock<Option<Arc<Tokens>>>);

impl TokenList {
    pub(crate) fn replace(&self, tokens: Tokens) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(tokens));
    }

    pub(super) fn current(&self) -> Option<Arc<Tokens>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl KnownTokens for TokenList {
    fn authenticate(&self, shown: &str, now: Timestamp) -> Option<Result<Principal, Refused>> {
        Some(self.current()?.authenticate(shown, now))
    }

    fn is_compared(&self) -> bool {
        true
    }

    fn is_read(&self) -> bool {
        self.current().is_some()
    }
}
