//! Signing in and out: passwords are checked with back-off for each user and each address, and a few at a time.
//!
//! An unknown user, a user without a password and a wrong password take equally long and give one answer, so that
//! nobody finds out which users there are. The form and the cookie are left to the faces.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use access::{
    AccountChange, Backoff, CookieSecret, Lifetimes, Lockouts, LoginHash, LoginSession, Password, PasswordHash,
    UserName, Wait, verify_password,
};
use parking::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Error, Service};

/// The maximum passwords that are hashed at once: each takes 19 MiB, and about a tenth of a second of a processor.
pub(super) const PASSWORD_HASHES_MAX: usize = 2;
/// How long a sign-in waits for others that are being hashed.
const HASH_WAIT: Duration = Duration::from_secs(10);
/// The maximum users, and the maximum addresses, whose failed sign-ins are remembered.
pub(super) const LOCKOUT_KEYS_MAX: usize = 10_000;

/// The failed sign-ins of this process, and the passwords that it hashes.
#[derive(Debug)]
pub(super) struct SignIns {
    failures: Mutex<Failures>,
    hashing: Arc<Semaphore>,
}

#[derive(Debug)]
struct Failures {
    users: Lockouts<UserName>,
    addresses: Lockouts<IpAddr>,
}

/// Why nobody was signed in. The text is for the person, and tells nothing of the user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignInError {
    /// There is no such user, or the password is another one.
    #[error("The name or the password is wrong.")]
    Wrong,
    /// There were too many failures.
    #[error("Too many failed sign-ins. Try again in {} s.", .0.seconds)]
    Wait(Wait),
    /// Too many passwords are being checked.
    #[error("Too many people are signing in at the moment. Try again.")]
    Busy,
    /// The ledger can't be read or written.
    #[error("The ledger is not available at the moment. Try again.")]
    Ledger(#[from] Error),
}

impl Default for SignIns {
    fn default() -> Self {
        let failures = Failures {
            users: Lockouts::new(Backoff::USER, LOCKOUT_KEYS_MAX),
            addresses: Lockouts::new(Backoff::ADDRESS, LOCKOUT_KEYS_MAX),
        };
        Self { failures: Mutex::new(failures), hashing: Arc::new(Semaphore::new(PASSWORD_HASHES_MAX)) }
    }
}

impl Failures {
    fn begin(&mut self, name: Option<&UserName>, from: IpAddr, now: Timestamp) -> Result<(), Wait> {
        self.addresses.begin(&from, now)?;
        let Some(name) = name else { return Ok(()) };
        self.users.begin(name, now).inspect_err(|_| self.addresses.uncount(&from))
    }

    fn succeeded(&mut self, name: &UserName, from: IpAddr) {
        self.users.succeeded(name);
        self.addresses.uncount(&from);
    }

    /// Nothing was found out about the password.
    fn uncount(&mut self, name: Option<&UserName>, from: IpAddr) {
        if let Some(name) = name {
            self.users.uncount(name);
        }
        self.addresses.uncount(&from);
    }
}

impl Service {
    /// Signs a person in, from this address; returns the value of the cookie.
    ///
    /// # Errors
    /// The name or the password is wrong, or this can't be found out at the moment.
    pub async fn sign_in(&self, name: &str, password: &str, from: IpAddr) -> Result<CookieSecret, SignInError> {
        let name = UserName::parse(name.trim()).ok();
        self.failures().begin(name.as_ref(), from, self.now()).map_err(SignInError::Wait)?;
        let checked = self.check_password(name.as_ref(), password).await;
        let cookie = match checked {
            Ok(Some(login)) => self.begin_login(login).await,
            Ok(None) => Err(SignInError::Wrong),
            Err(error) => Err(error),
        };
        match (&cookie, &name) {
            (Ok(_), Some(name)) => {
                self.failures().succeeded(name, from);
                tracing::info!(user = %name, address = %from, "a person signed in");
            }
            (Err(SignInError::Busy | SignInError::Ledger(_)), _) => self.failures().uncount(name.as_ref(), from),
            // The name is not logged, because people type passwords there.
            _ => tracing::warn!(address = %from, "a sign-in was refused"),
        }
        cookie
    }

    /// Ends a login session; returns whether it existed.
    ///
    /// # Errors
    /// The ledger can't be written.
    pub async fn sign_out(&self, login: LoginHash) -> Result<bool, Error> {
        self.change_accounts(AccountChange::EndLogin(login)).await
    }

    /// Hashes a password on a thread of its own, a few at a time.
    ///
    /// # Errors
    /// Too many passwords are being hashed, or the operating system gives no random bytes.
    pub(super) async fn hash_password(&self, password: Password) -> Result<PasswordHash, Error> {
        let salt = random()?;
        let permit = self.may_hash().await.ok_or_else(|| Error::Full("too many passwords are being hashed".into()))?;
        let hash = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            PasswordHash::new(&password, &salt)
        });
        hash.await.map_err(|_| Error::Defect)
    }

    /// The login session and its cookie, if this is the password of this user.
    async fn check_password(
        &self,
        name: Option<&UserName>,
        password: &str,
    ) -> Result<Option<(LoginSession, CookieSecret)>, SignInError> {
        let directory = self.directory();
        let user = name.and_then(|name| directory.user(name)).filter(|user| user.disabled.is_none());
        let Some(typed) = Password::typed(password) else { return Ok(None) };
        let stored = user.and_then(|user| user.password.clone());
        let permit = self.may_hash().await.ok_or(SignInError::Busy)?;
        let verified = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            verify_password(stored.as_ref(), &typed)
        });
        let is_right = verified.await.map_err(|_| Error::Defect)?;
        let Some(user) = user.filter(|_| is_right) else { return Ok(None) };
        let cookie = CookieSecret::from_random(&random()?);
        Ok(Some((LoginSession::begin(&cookie, user, self.now()), cookie)))
    }

    async fn begin_login(&self, (login, cookie): (LoginSession, CookieSecret)) -> Result<CookieSecret, SignInError> {
        let lifetime = i64::try_from(Lifetimes::default().absolute.as_millis()).unwrap_or(i64::MAX);
        let (hash, ended_before) = (login.hash, login.begun.plus_millis(-lifetime));
        let has_begun = self.change_accounts(AccountChange::BeginLogin { login, ended_before }).await?;
        // A repeated attempt of the store reports no change. Otherwise the user has changed meanwhile.
        if has_begun || self.directory().login(hash, self.now()).is_some() {
            Ok(cookie)
        } else {
            Err(SignInError::Wrong)
        }
    }

    async fn may_hash(&self) -> Option<OwnedSemaphorePermit> {
        let hashing = Arc::clone(&self.inner.sign_ins.hashing);
        tokio::time::timeout(HASH_WAIT, hashing.acquire_owned()).await.ok()?.ok()
    }

    fn failures(&self) -> MutexGuard<'_, Failures> {
        self.inner.sign_ins.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Random bytes that are fit for secrets.
pub(super) fn random<const BYTES: usize>() -> Result<[u8; BYTES], Error> {
    let mut random = [0; BYTES];
    getrandom::fill(&mut random).map_err(|error| {
        tracing::error!(%error, "the operating system gives no random bytes");
        Error::Defect
    })?;
    Ok(random)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use access::{Gates, Grant, Lots, Scopes, User};
    use ledger_stores::testing::temporary;

    use super::*;
    use crate::testing::Fixture;

    const HOME: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
    const RIGHT: &str = "four words in a row";

    async fn fixture() -> Fixture {
        let fixture = Fixture::new(temporary().await);
        let grant = Grant::new(Scopes::parse("read").unwrap(), Lots::All, Gates::All).unwrap();
        let name = UserName::parse("maria").unwrap();
        let password = Password::chosen(RIGHT, &name).unwrap();
        assert!(fixture.local().add_user(name, password, grant).await.unwrap());
        fixture
    }

    async fn sign_in(fixture: &Fixture, name: &str, password: &str) -> Result<CookieSecret, SignInError> {
        fixture.service.sign_in(name, password, HOME).await
    }

    fn holds(fixture: &Fixture, cookie: &CookieSecret) -> bool {
        fixture.service.directory().login(cookie.hash(), fixture.service.now()).is_some()
    }

    #[tokio::test]
    async fn the_right_password_begins_a_login_session_that_ends_with_the_sign_out() {
        let fixture = fixture().await;
        let first = sign_in(&fixture, " Maria ", RIGHT).await.unwrap();
        let second = sign_in(&fixture, "maria", RIGHT).await.unwrap();
        assert!(holds(&fixture, &first) && holds(&fixture, &second));

        assert_eq!(fixture.service.sign_out(first.hash()).await, Ok(true));

        assert!(!holds(&fixture, &first) && holds(&fixture, &second));
        assert_eq!(fixture.service.sign_out(first.hash()).await, Ok(false));
    }

    #[tokio::test]
    async fn what_is_wrong_with_a_sign_in_is_not_revealed() {
        let fixture = fixture().await;
        let long = "x".repeat(300);
        for (name, password) in [
            ("maria", "four words in a ro"),
            ("mario", RIGHT),
            ("maria", ""),
            ("", RIGHT),
            ("ma ria", RIGHT),
            ("maria", &long),
        ] {
            assert_eq!(sign_in(&fixture, name, password).await.err(), Some(SignInError::Wrong), "{name:?}");
        }
    }

    #[tokio::test]
    async fn failures_slow_a_user_down_known_or_not_and_a_wait_ends() {
        let fixture = fixture().await;
        for name in ["maria", "unknown"] {
            for _ in 0..=Backoff::USER.free {
                assert_eq!(sign_in(&fixture, name, "wrong").await.err(), Some(SignInError::Wrong));
            }
            assert_eq!(sign_in(&fixture, name, RIGHT).await.err(), Some(SignInError::Wait(Wait { seconds: 1 })));
        }
        fixture.clock.advance_millis(1_000);
        assert!(sign_in(&fixture, "maria", RIGHT).await.is_ok());
    }

    #[tokio::test]
    async fn failures_of_many_names_slow_their_address_down_and_no_other() {
        let fixture = fixture().await;
        let begin = |number: u32, from| {
            let name = UserName::parse(&format!("user{number}")).unwrap();
            fixture.service.failures().begin(Some(&name), from, fixture.service.now())
        };
        for number in 0..=Backoff::ADDRESS.free {
            assert_eq!(begin(number, HOME), Ok(()));
        }
        assert_eq!(sign_in(&fixture, "maria", RIGHT).await.err(), Some(SignInError::Wait(Wait { seconds: 1 })));
        let elsewhere = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));
        assert!(fixture.service.sign_in("maria", RIGHT, elsewhere).await.is_ok());
    }

    #[tokio::test]
    async fn a_login_session_that_is_used_lives_on_for_a_shift_and_one_that_is_not_for_an_hour() {
        let fixture = fixture().await;
        let (used, idle) =
            (sign_in(&fixture, "maria", RIGHT).await.unwrap(), sign_in(&fixture, "maria", RIGHT).await.unwrap());
        for minutes in [59, 59, 59] {
            fixture.clock.advance_millis(minutes * 60_000);
            let directory = fixture.service.directory();
            let (login, _) = directory.login(used.hash(), fixture.service.now()).unwrap();
            fixture.service.note_use(login);
            fixture.service.refresh_accounts().await.unwrap();
        }
        assert!(holds(&fixture, &used) && !holds(&fixture, &idle));
        fixture.clock.advance_millis(12 * 3_600_000);
        assert!(!holds(&fixture, &used));
    }

    #[tokio::test]
    async fn a_change_by_another_process_of_the_ledger_holds_after_the_next_read() {
        let fixture = fixture().await;
        let cookie = sign_in(&fixture, "maria", RIGHT).await.unwrap();
        let removed = AccountChange::RemoveUser(UserName::parse("maria").unwrap());
        assert!(fixture.ledger.change_accounts(removed).await.unwrap());

        fixture.service.refresh_accounts().await.unwrap();

        assert!(!holds(&fixture, &cookie));
        assert_eq!(fixture.service.directory().users().map(|user: &User| user.name.to_string()).next(), None);
    }
}
