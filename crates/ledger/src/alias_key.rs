//! The key of the aliases of ids. What an alias is, is left to the crate `access`.

use std::fmt;

/// The key of a ledger's aliases, in the ledger itself: all processes of the ledger need the same one, also after a
/// restore, and a reader of the ledger has the plates anyway. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct AliasKey([u8; Self::BYTES]);

impl AliasKey {
    /// The bytes of a key.
    pub const BYTES: usize = 32;

    /// A key that was read, or made by a generator that is fit for secrets.
    pub const fn new(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn expose(&self) -> &[u8; Self::BYTES] {
        &self.0
    }
}

impl fmt::Debug for AliasKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("AliasKey(***)")
    }
}
