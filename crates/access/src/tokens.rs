//! The tokens that are known, in memory, and the one check that a shown token goes through.
//!
//! Where they come from is left to the caller: the ledger, a tokens file, or a secret that two services share.

use std::collections::BTreeMap;

use parking::Timestamp;

use crate::{Principal, Refused, Token, TokenFault, TokenHash, TokenId, TokenRecord};

/// The longest text that is looked at, bytes.
const SHOWN_BYTES_MAX: usize = 512;

/// Known tokens, and secrets that stand for a principal. `Debug` shows no secret.
#[derive(Debug, Clone, Default)]
pub struct Tokens {
    records: BTreeMap<TokenId, (TokenRecord, Principal)>,
    shared: Vec<(TokenHash, Principal)>,
}

/// A token that is known already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the token {0} is known already")]
pub struct DuplicateToken(pub TokenId);

impl Tokens {
    /// Tokens by their records.
    ///
    /// # Errors
    /// Which id is there twice.
    pub fn new(records: impl IntoIterator<Item = TokenRecord>) -> Result<Self, DuplicateToken> {
        let mut tokens = Self::default();
        records.into_iter().try_for_each(|record| tokens.add(record))?;
        Ok(tokens)
    }

    /// Adds a token.
    ///
    /// # Errors
    /// That its id is known already.
    pub fn add(&mut self, record: TokenRecord) -> Result<(), DuplicateToken> {
        if self.records.contains_key(&record.id) {
            return Err(DuplicateToken(record.id));
        }
        let principal = record.principal();
        self.records.insert(record.id, (record, principal));
        Ok(())
    }

    /// Lets a secret of any form stand for a principal, as `DWELL_INTERNAL_TOKEN` does for a correlator.
    pub fn add_shared_secret(&mut self, secret: TokenHash, principal: Principal) {
        self.shared.push((secret, principal));
    }

    /// The principal of a client that sends this text as its bearer token. Hashes are compared in constant time.
    ///
    /// # Errors
    /// Why not.
    pub fn authenticate(&self, shown: &str, now: Timestamp) -> Result<Principal, Refused> {
        if shown.len() > SHOWN_BYTES_MAX {
            return Err(Refused::Malformed(TokenFault::Length));
        }
        let hash = TokenHash::of(shown);
        if let Some((_, principal)) = self.shared.iter().find(|(known, _)| *known == hash) {
            return Ok(principal.clone());
        }
        let token = Token::parse(shown).map_err(Refused::Malformed)?;
        let (record, principal) = self.records.get(&token.id()).ok_or(Refused::Unknown)?;
        record.check(hash, now)?;
        Ok(principal.clone())
    }

    /// The records, by id.
    pub fn records(&self) -> impl Iterator<Item = &TokenRecord> {
        self.records.values().map(|(record, _)| record)
    }

    /// Whether any token holds at this time, or there is a shared secret.
    pub fn any_holds(&self, now: Timestamp) -> bool {
        !self.shared.is_empty() || self.records().any(|record| record.check(record.hash, now).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Gates, Grant, Lots, Scopes, Who};

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    fn token(random: u8) -> Token {
        Token::from_random(&[random; Token::RANDOM_BYTES])
    }

    fn record(token: &Token, expires: Option<Timestamp>) -> TokenRecord {
        let grant = Grant::new(Scopes::parse("read").unwrap(), Lots::All, Gates::All).unwrap();
        TokenRecord::new(token, "page".into(), grant, Timestamp::from_millis(0), expires)
    }

    #[test]
    fn the_holder_of_a_token_is_its_principal() {
        let tokens = Tokens::new([record(&token(1), None), record(&token(2), None)]).unwrap();
        let principal = tokens.authenticate(token(2).expose(), NOW).unwrap();
        assert_eq!(principal.who(), &Who::Token { id: token(2).id(), name: "page".into() });
    }

    #[test]
    fn a_token_holds_until_its_time_is_over_or_it_is_revoked() {
        let expires = NOW.plus_millis(1);
        let mut stored = record(&token(1), Some(expires));
        let check = |stored: &TokenRecord, at| {
            let tokens = Tokens::new([stored.clone()]).unwrap();
            (tokens.authenticate(token(1).expose(), at).err(), tokens.any_holds(at))
        };
        assert_eq!(check(&stored, NOW), (None, true));
        assert_eq!(check(&stored, expires), (Some(Refused::Expired), false));
        stored.revoked = Some(NOW);
        assert_eq!(check(&stored, NOW), (Some(Refused::Revoked), false));
    }

    #[test]
    fn only_its_holder_learns_what_became_of_a_token() {
        let mut forged = [1; Token::RANDOM_BYTES];
        forged[10] = 0;
        let forged = Token::from_random(&forged);
        assert_eq!(forged.id(), token(1).id());

        let mut stored = record(&token(1), Some(Timestamp::from_millis(0)));
        stored.revoked = Some(NOW);
        let tokens = Tokens::new([stored]).unwrap();
        assert_eq!(tokens.authenticate(forged.expose(), NOW), Err(Refused::Unknown));
        assert_eq!(tokens.authenticate(token(2).expose(), NOW), Err(Refused::Unknown));
    }

    #[test]
    fn a_text_that_is_no_token_is_refused_before_any_look_up() {
        let tokens = Tokens::new([record(&token(1), None)]).unwrap();
        for (text, fault) in [
            ("", TokenFault::Prefix),
            ("dwell_", TokenFault::Length),
            (&*"x".repeat(1 << 20), TokenFault::Length),
            (&*token(1).expose().replace("_0", "_1"), TokenFault::Checksum),
        ] {
            assert_eq!(tokens.authenticate(text, NOW), Err(Refused::Malformed(fault)));
        }
    }

    #[test]
    fn a_shared_secret_stands_for_its_principal_whatever_its_form() {
        let mut tokens = Tokens::default();
        for secret in ["0123456789abcdef", token(4).expose()] {
            tokens.add_shared_secret(TokenHash::of(secret), Principal::correlator());
            assert_eq!(tokens.authenticate(secret, NOW), Ok(Principal::correlator()));
        }
        assert_eq!(tokens.authenticate("0123456789abcdeg", NOW), Err(Refused::Malformed(TokenFault::Prefix)));
        assert!(tokens.any_holds(NOW));
    }

    #[test]
    fn an_id_is_known_once() {
        let twice = Tokens::new([record(&token(1), None), record(&token(1), None)]);
        assert_eq!(twice.unwrap_err(), DuplicateToken(token(1).id()));
    }
}
