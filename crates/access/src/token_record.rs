//! What is stored of a token, everything but the token itself; and why one that is shown may be refused.

use parking::Timestamp;

use crate::{Grant, Principal, Token, TokenFault, TokenHash, TokenId, Who};

/// One stored token. Revoking sets `revoked`; a record is never given back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRecord {
    /// Its public part.
    pub id: TokenId,
    /// What the operator calls it.
    pub name: String,
    /// The hash of its text.
    pub hash: TokenHash,
    /// What its holder may do.
    pub grant: Grant,
    /// When it was made.
    pub created: Timestamp,
    /// From when on it is refused; none, if it holds until it is revoked.
    pub expires: Option<Timestamp>,
    /// When it was revoked, if it was.
    pub revoked: Option<Timestamp>,
}

/// Why a shown token was refused: the request is answered with 401. The text says nothing of the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is no token.
    #[error("the token {0}")]
    Malformed(TokenFault),
    /// No such token is known.
    #[error("the token is not known here")]
    Unknown,
    /// It was revoked.
    #[error("the token has been revoked")]
    Revoked,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
}

impl TokenRecord {
    /// The longest name, bytes.
    pub const NAME_BYTES_MAX: usize = 64;

    /// The record of a new token.
    pub fn new(token: &Token, name: String, grant: Grant, created: Timestamp, expires: Option<Timestamp>) -> Self {
        Self { id: token.id(), name, hash: token.hash(), grant, created, expires, revoked: None }
    }

    /// Checks a name: 1 to 64 bytes that can be shown in one line.
    ///
    /// # Errors
    /// What is wrong with it, as the end of a sentence.
    pub fn check_name(name: &str) -> Result<(), &'static str> {
        if name.trim().is_empty() || name.len() > Self::NAME_BYTES_MAX {
            return Err("is not 1 to 64 bytes long");
        }
        if parking::printable::one_line(name) != name {
            return Err("holds a control character");
        }
        Ok(())
    }

    /// The principal of its holder.
    pub fn principal(&self) -> Principal {
        Principal::new(Who::Token { id: self.id, name: self.name.clone() }, self.grant.clone())
    }

    /// Whether a text with this hash is the token, and the token holds now. Only its holder learns that it was revoked
    /// or has expired.
    pub(crate) fn check(&self, shown: TokenHash, now: Timestamp) -> Result<(), Refused> {
        if shown != self.hash {
            return Err(Refused::Unknown);
        }
        if self.revoked.is_some() {
            return Err(Refused::Revoked);
        }
        if self.expires.is_some_and(|expires| expires <= now) {
            return Err(Refused::Expired);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_fits_a_line_of_a_listing() {
        for name in ["a", "north gate", "Zufahrt Süd 2", &"x".repeat(64)] {
            assert_eq!(TokenRecord::check_name(name), Ok(()), "{name}");
        }
        for name in ["", "  ", "a\nb", "a\u{1b}[2J", "a\u{202e}b", &"x".repeat(65)] {
            assert!(TokenRecord::check_name(name).is_err(), "{name:?} was taken");
        }
    }
}
