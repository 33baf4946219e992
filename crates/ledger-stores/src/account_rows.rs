//! The columns of tokens, users and login sessions, and how they are decoded. Both adapters store equal texts and
//! numbers.
//!
//! Scopes, lots and gates are stored as the texts of settings, `read,read_plate` and `*`, so that an operator can read
//! them. No error contains a stored text.

use std::fmt::Display;

use access::{
    Gates, Grant, HASH_BYTES, LoginHash, LoginSession, Lots, PasswordHash, Scopes, TokenHash, TokenId, TokenRecord,
    User, UserName,
};
use parking::Timestamp;

use crate::Error;

/// The columns of a token.
pub(super) struct TokenColumns {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) hash: Vec<u8>,
    pub(super) scopes: String,
    pub(super) lots: String,
    pub(super) gates: String,
    pub(super) created_ms: i64,
    pub(super) expires_ms: Option<i64>,
    pub(super) revoked_ms: Option<i64>,
}

/// The columns of a user.
pub(super) struct PersonColumns {
    pub(super) name: String,
    pub(super) password: Option<String>,
    pub(super) scopes: String,
    pub(super) lots: String,
    pub(super) created_ms: i64,
    pub(super) generation: i64,
    pub(super) disabled_ms: Option<i64>,
}

/// The columns of a login session.
pub(super) struct LoginColumns {
    pub(super) hash: Vec<u8>,
    pub(super) name: String,
    pub(super) generation: i64,
    pub(super) begun_ms: i64,
    pub(super) used_ms: i64,
}

impl TokenColumns {
    pub(super) fn of(record: &TokenRecord) -> Self {
        let TokenRecord { id, name, hash, grant, created, expires, revoked } = record;
        Self {
            id: id.to_string(),
            name: name.clone(),
            hash: hash.as_bytes().to_vec(),
            scopes: grant.scopes().to_string(),
            lots: grant.lots().to_string(),
            gates: grant.gates().to_string(),
            created_ms: created.as_millis(),
            expires_ms: expires.map(Timestamp::as_millis),
            revoked_ms: revoked.map(Timestamp::as_millis),
        }
    }

    pub(super) fn record(self) -> Result<TokenRecord, Error> {
        Ok(TokenRecord {
            id: decoded("the id of a token", TokenId::parse(&self.id))?,
            name: self.name,
            hash: TokenHash::from_bytes(hash(&self.hash)?),
            grant: grant(&self.scopes, &self.lots, &self.gates)?,
            created: Timestamp::from_millis(self.created_ms),
            expires: self.expires_ms.map(Timestamp::from_millis),
            revoked: self.revoked_ms.map(Timestamp::from_millis),
        })
    }
}

impl PersonColumns {
    pub(super) fn of(user: &User) -> Self {
        let User { name, password, grant, created, generation, disabled } = user;
        Self {
            name: name.to_string(),
            password: password.as_ref().map(PasswordHash::to_text),
            scopes: grant.scopes().to_string(),
            lots: grant.lots().to_string(),
            created_ms: created.as_millis(),
            generation: i64::from(*generation),
            disabled_ms: disabled.map(Timestamp::as_millis),
        }
    }

    pub(super) fn user(self) -> Result<User, Error> {
        let password = self.password.map(|text| decoded("the password of a user", PasswordHash::parse(&text)));
        Ok(User {
            name: decoded("the name of a user", UserName::parse(&self.name))?,
            password: password.transpose()?,
            grant: grant(&self.scopes, &self.lots, Lots::ALL_WORD)?,
            created: Timestamp::from_millis(self.created_ms),
            generation: generation(self.generation)?,
            disabled: self.disabled_ms.map(Timestamp::from_millis),
        })
    }
}

impl LoginColumns {
    pub(super) fn of(login: &LoginSession) -> Self {
        let LoginSession { hash, user, generation, begun, last_used } = login;
        Self {
            hash: hash.as_bytes().to_vec(),
            name: user.to_string(),
            generation: i64::from(*generation),
            begun_ms: begun.as_millis(),
            used_ms: last_used.as_millis(),
        }
    }

    pub(super) fn session(self) -> Result<LoginSession, Error> {
        Ok(LoginSession {
            hash: LoginHash::from_bytes(hash(&self.hash)?),
            user: decoded("the user of a login session", UserName::parse(&self.name))?,
            generation: generation(self.generation)?,
            begun: Timestamp::from_millis(self.begun_ms),
            last_used: Timestamp::from_millis(self.used_ms),
        })
    }
}

fn grant(scopes: &str, lots: &str, gates: &str) -> Result<Grant, Error> {
    let scopes = decoded("a scope", Scopes::parse(scopes))?;
    let lots = decoded("a lot of a token or user", Lots::parse(lots))?;
    let gates = decoded("a gate of a token", Gates::parse(gates))?;
    decoded("a token or user", Grant::new(scopes, lots, gates))
}

fn hash(bytes: &[u8]) -> Result<[u8; HASH_BYTES], Error> {
    bytes
        .try_into()
        .map_err(|_| Error::Corrupt(format!("the hash of a token or login session is not {HASH_BYTES} bytes")))
}

fn generation(number: i64) -> Result<u32, Error> {
    u32::try_from(number).map_err(|_| Error::Corrupt(format!("the generation {number} of a user is out of range")))
}

fn decoded<T>(what: &str, result: Result<T, impl Display>) -> Result<T, Error> {
    result.map_err(|problem| Error::Corrupt(format!("{what} {problem}")))
}
