//! Managing tokens and users: for administrators, who can't give rights that they lack.

use std::collections::BTreeMap;

use access::{AccountChange, Grant, Password, Scope, Token, TokenId, TokenRecord, User, UserName};
use parking::Timestamp;

use super::ScopedService;
use crate::Error;
use crate::sign_in::random;

/// The maximum tokens that are not revoked, and the maximum users: all of them are read each second.
pub(crate) const ACCOUNTS_MAX: usize = 1_000;

impl ScopedService {
    /// The person who sends the request, if it is one who signed in.
    pub fn person(&self) -> Option<&str> {
        self.principal.person()
    }

    /// The tokens, revoked ones included, by id.
    ///
    /// # Errors
    /// The principal is no administrator, or the ledger can't be read.
    pub async fn tokens(&self) -> Result<Vec<TokenRecord>, Error> {
        self.principal.require(Scope::Admin)?;
        self.service.read_accounts().await?;
        Ok(self.service.directory().tokens().records().cloned().collect())
    }

    /// The tokens of the ledger and these others whose lots and gates the principal has itself, revoked ones included, by
    /// id: what a gateway compares the tokens of its senders with. Of one id, that of the others counts. Instead of its
    /// name each has its id, since a gateway needs no name.
    ///
    /// # Errors
    /// The principal may neither record nor report events.
    pub fn tokens_of_gates<'a>(
        &self,
        others: impl IntoIterator<Item = &'a TokenRecord>,
    ) -> Result<Vec<TokenRecord>, Error> {
        if !self.principal.may(Scope::Record) {
            self.principal.require(Scope::Ingest)?;
        }
        let directory = self.service.directory();
        let of_ledger = directory.tokens().records().map(|record| (record.id, record));
        let mut all: BTreeMap<TokenId, &TokenRecord> = of_ledger.collect();
        all.extend(others.into_iter().map(|record| (record.id, record)));
        let own = all.into_values().filter(|record| self.principal.grant().covers_places(&record.grant));
        Ok(own.map(|record| TokenRecord { name: record.id.to_string(), ..record.clone() }).collect())
    }

    /// Makes a token; returns it with what is stored of it.
    ///
    /// # Errors
    /// The principal is no administrator, or lacks a right of the grant; the name or the time is invalid; there are too many
    /// tokens; or the ledger can't be written.
    pub async fn create_token(
        &self,
        name: String,
        grant: Grant,
        expires: Option<Timestamp>,
    ) -> Result<(Token, TokenRecord), Error> {
        self.principal.check_grants(&grant)?;
        TokenRecord::check_name(&name).map_err(|fault| Error::Refused(format!("the name {fault}")))?;
        let now = self.now();
        if expires.is_some_and(|expires| expires <= now) {
            return Err(Error::Refused("expires is not in the future".to_owned()));
        }
        let directory = self.service.directory();
        if directory.tokens().records().filter(|record| record.revoked.is_none()).count() >= ACCOUNTS_MAX {
            return Err(Error::Refused(format!("there are {ACCOUNTS_MAX} tokens, which is the limit; revoke some")));
        }
        let token = Token::from_random(&random()?);
        let record = TokenRecord::new(&token, name, grant, now, expires);
        self.service.change_accounts(AccountChange::AddToken(record.clone())).await?;
        // A repeated attempt of the store reports no change, so the result is compared instead.
        if !self.service.directory().tokens().records().any(|known| *known == record) {
            return Err(Error::Defect);
        }
        tracing::info!(by = %self.principal.who(), id = %record.id, "a token was made");
        Ok((token, record))
    }

    /// Revokes a token; returns whether there is such a token.
    ///
    /// # Errors
    /// The principal is no administrator, or the ledger can't be written.
    pub async fn revoke_token(&self, id: TokenId) -> Result<bool, Error> {
        self.principal.require(Scope::Admin)?;
        if self.service.change_accounts(AccountChange::RevokeToken { id, at: self.now() }).await? {
            tracing::info!(by = %self.principal.who(), %id, "a token was revoked");
        }
        Ok(self.service.directory().tokens().records().any(|record| record.id == id))
    }

    /// The users, by name.
    ///
    /// # Errors
    /// The principal is no administrator, or the ledger can't be read.
    pub async fn users(&self) -> Result<Vec<User>, Error> {
        self.principal.require(Scope::Admin)?;
        self.service.read_accounts().await?;
        Ok(self.service.directory().users().cloned().collect())
    }

    /// Adds a user; returns whether the name was free.
    ///
    /// # Errors
    /// The principal is no administrator, or lacks a right of the grant; there are too many users; or the ledger can't be
    /// written.
    pub async fn add_user(&self, name: UserName, password: Password, grant: Grant) -> Result<bool, Error> {
        self.principal.check_grants(&grant)?;
        if self.service.directory().users().count() >= ACCOUNTS_MAX {
            return Err(Error::Refused(format!("there are {ACCOUNTS_MAX} users, which is the limit; remove some")));
        }
        let password = Some(self.service.hash_password(password).await?);
        let user = User { name, password, grant, created: self.now(), generation: 0, disabled: None };
        self.service.change_accounts(AccountChange::AddUser(user.clone())).await?;
        // A repeated attempt of the store reports no change. No two hashes are equal, because each has its own salt.
        let is_added = self.service.directory().user(&user.name) == Some(&user);
        if is_added {
            tracing::info!(by = %self.principal.who(), user = %user.name, "a user was added");
        }
        Ok(is_added)
    }

    /// Sets the password of a user, and ends the user's login sessions; returns whether there is such a user.
    ///
    /// # Errors
    /// The principal is no administrator, or lacks a right of the user; or the ledger can't be written.
    pub async fn set_password(&self, name: UserName, password: Password) -> Result<bool, Error> {
        self.principal.require(Scope::Admin)?;
        self.service.read_accounts().await?;
        let directory = self.service.directory();
        let Some(user) = directory.user(&name) else { return Ok(false) };
        self.principal.check_grants(&user.grant)?;
        let password = self.service.hash_password(password).await?;
        let is_set = self.service.change_accounts(AccountChange::SetPassword { name: name.clone(), password }).await?;
        if is_set {
            tracing::info!(by = %self.principal.who(), user = %name, "a password was set");
        }
        Ok(is_set)
    }

    /// Removes a user and ends the user's login sessions; returns whether there was such a user.
    ///
    /// # Errors
    /// The principal is no administrator, or the ledger can't be written.
    pub async fn remove_user(&self, name: UserName) -> Result<bool, Error> {
        self.principal.require(Scope::Admin)?;
        let is_removed = self.service.change_accounts(AccountChange::RemoveUser(name.clone())).await?;
        if is_removed {
            tracing::info!(by = %self.principal.who(), user = %name, "a user was removed");
        }
        Ok(is_removed)
    }
}
