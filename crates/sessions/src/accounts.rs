//! The accounts of the ledger in memory. They are read once a second, and after each change that this process makes, so
//! a revocation by any process of the ledger holds within about a second.
//!
//! While the ledger is down, the accounts that were read last stay valid. Signing in is in `sign_in`, managing accounts
//! in `scoped`, and finding out who sent a request is left to the faces.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use access::{AccountChange, Directory, HASH_BYTES, LoginHash, LoginSession};
use parking::Timestamp;

use super::{Error, Service, within};

/// The accounts that were read last.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    directory: RwLock<Arc<Directory>>,
    /// Locked while the ledger is read, so that an older result never replaces a newer one.
    reading: tokio::sync::Mutex<()>,
    /// Uses of login sessions that are to be noted in the ledger.
    uses: Mutex<BTreeMap<[u8; HASH_BYTES], (LoginHash, Timestamp)>>,
}

impl Service {
    /// The accounts that were read last.
    pub fn directory(&self) -> Arc<Directory> {
        Arc::clone(&self.inner.accounts.directory.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the accounts from the ledger.
    ///
    /// # Errors
    /// The ledger can't be read; the accounts that were read before stay valid.
    pub async fn read_accounts(&self) -> Result<(), Error> {
        within(async {
            let accounts = &self.inner.accounts;
            let _reading = accounts.reading.lock().await;
            let directory = Directory::new(self.inner.ledger.accounts().await?);
            let directory = directory.map_err(|duplicate| ledger::Error::Corrupt(duplicate.to_string()))?;
            *accounts.directory.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(directory);
            Ok(())
        })
        .await
    }

    /// Notes that a login session is in use; once a minute that is written to the ledger.
    pub fn note_use(&self, login: &LoginSession) {
        if let Some(LoginSession { hash, last_used, .. }) = login.used(self.now()) {
            self.uses().insert(*hash.as_bytes(), (hash, last_used));
        }
    }

    /// Writes the noted uses to the ledger, and reads the accounts. Called once a second.
    pub(super) async fn refresh_accounts(&self) -> Result<(), Error> {
        let uses: Vec<_> = std::mem::take(&mut *self.uses()).into_values().collect();
        if !uses.is_empty() {
            within(async { Ok(self.inner.ledger.change_accounts(AccountChange::NoteUse(uses)).await?) }).await?;
        }
        self.read_accounts().await
    }

    /// Changes the accounts, and reads them; returns whether anything changed.
    pub(super) async fn change_accounts(&self, change: AccountChange) -> Result<bool, Error> {
        let changed = within(async { Ok(self.inner.ledger.change_accounts(change).await?) }).await?;
        self.read_accounts().await?;
        Ok(changed)
    }

    fn uses(&self) -> std::sync::MutexGuard<'_, BTreeMap<[u8; HASH_BYTES], (LoginHash, Timestamp)>> {
        self.inner.accounts.uses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
