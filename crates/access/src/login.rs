//! Login sessions: what a signed-in browser's cookie names.
//!
//! The cookie holds 256 random bits, of which the hash is stored. Setting the cookie (`__Host-`, `Secure`, `HttpOnly`,
//! `SameSite`) is left to the HTTP face, deleting ended sessions to the ledger.

use std::fmt;
use std::time::Duration;

use parking::{AHEAD_MAX_MS, Timestamp};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::base32::{decode, encode};
use crate::{CsrfToken, HASH_BYTES, Secret, User, UserName};

/// The value of a login cookie.
#[derive(Debug, Clone)]
pub struct CookieSecret(Secret);

impl CookieSecret {
    /// The random bytes that it is made of.
    pub const RANDOM_BYTES: usize = 32;

    /// A new value. The bytes have to come from a generator that is fit for secrets. A new one is needed at every
    /// sign-in, whatever cookie the browser sent: else somebody else may know it.
    pub fn from_random(random: &[u8; Self::RANDOM_BYTES]) -> Self {
        Self(Secret::new(encode(random)))
    }

    /// Reads the value that a browser sends; none when it can't be one of ours.
    pub fn parse(text: &str) -> Option<Self> {
        decode::<{ Self::RANDOM_BYTES }>(text).map(|random| Self::from_random(&random))
    }

    /// What is stored of it.
    pub fn hash(&self) -> LoginHash {
        LoginHash(Sha256::digest(self.0.expose()).into())
    }

    /// The token that the forms of this login session carry.
    pub fn csrf_token(&self) -> CsrfToken {
        CsrfToken::of(self.0.expose())
    }

    /// The value, for the cookie.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

/// The hash of a cookie's value: the key of a stored login session. `Debug` hides it.
#[derive(Clone, Copy)]
pub struct LoginHash([u8; HASH_BYTES]);

impl LoginHash {
    /// The stored bytes.
    pub const fn from_bytes(bytes: [u8; HASH_BYTES]) -> Self {
        Self(bytes)
    }

    /// The bytes to store.
    pub const fn as_bytes(&self) -> &[u8; HASH_BYTES] {
        &self.0
    }
}

impl PartialEq for LoginHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for LoginHash {}

impl fmt::Debug for LoginHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("LoginHash(***)")
    }
}

/// How long a login session lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetimes {
    /// After its last request.
    pub idle: Duration,
    /// After its sign-in, whatever happens.
    pub absolute: Duration,
}

impl Default for Lifetimes {
    /// An hour without a request, twelve in all: a shift.
    fn default() -> Self {
        Self { idle: Duration::from_hours(1), absolute: Duration::from_hours(12) }
    }
}

/// A stored login session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginSession {
    /// The hash of the cookie's value.
    pub hash: LoginHash,
    /// Who signed in.
    pub user: UserName,
    /// The user's generation at that time.
    pub generation: u32,
    /// When.
    pub begun: Timestamp,
    /// The last request that was noted.
    pub last_used: Timestamp,
}

/// Whether a login session still holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginState {
    /// It does.
    Live,
    /// There was no request for too long.
    Idle,
    /// The sign-in is too long ago.
    Expired,
    /// The user was disabled, or has another password or other rights since.
    Withdrawn,
}

impl LoginSession {
    /// How often a request is noted, at most: a page that refreshes itself must not write with every request.
    pub const NOTE_EVERY: Duration = Duration::from_mins(1);

    /// The login session of a user who has just shown the right password.
    pub fn begin(cookie: &CookieSecret, user: &User, now: Timestamp) -> Self {
        let hash = cookie.hash();
        Self { hash, user: user.name.clone(), generation: user.generation, begun: now, last_used: now }
    }

    /// Whether it holds, for its user as stored now.
    pub fn state(&self, user: &User, lifetimes: Lifetimes, now: Timestamp) -> LoginState {
        if user.name != self.user || user.generation != self.generation || user.disabled.is_some() {
            return LoginState::Withdrawn;
        }
        // One that was begun while the clock was far ahead would otherwise hold until that time.
        let is_ahead = self.begun.millis_since(now) > AHEAD_MAX_MS;
        if is_ahead || is_over(self.begun, lifetimes.absolute, now) {
            return LoginState::Expired;
        }
        if is_over(self.last_used, lifetimes.idle, now) {
            return LoginState::Idle;
        }
        LoginState::Live
    }

    /// What to store because of a request at this time; none when the last note is recent enough.
    #[must_use]
    pub fn used(&self, now: Timestamp) -> Option<Self> {
        is_over(self.last_used, Self::NOTE_EVERY, now).then(|| Self { last_used: now, ..self.clone() })
    }
}

/// Whether the span has passed.
fn is_over(since: Timestamp, span: Duration, now: Timestamp) -> bool {
    u128::try_from(now.millis_since(since)).is_ok_and(|millis| millis >= span.as_millis())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Grant;

    const BEGUN: Timestamp = Timestamp::from_millis(1_700_000_000_000);
    const MINUTE_MS: i64 = 60_000;

    fn user() -> User {
        let name = UserName::parse("maria").unwrap();
        User { name, password: None, grant: Grant::everything(), created: BEGUN, generation: 3, disabled: None }
    }

    fn cookie(random: u8) -> CookieSecret {
        CookieSecret::from_random(&[random; CookieSecret::RANDOM_BYTES])
    }

    #[test]
    fn a_cookie_is_found_by_its_hash_and_no_other_text_is() {
        let sent = CookieSecret::parse(cookie(5).expose()).unwrap();
        assert_eq!(sent.hash(), cookie(5).hash());
        assert_ne!(sent.hash(), cookie(6).hash());
        for wrong in ["", "x", &cookie(5).expose().to_uppercase(), &format!("{} ", cookie(5).expose())] {
            assert!(CookieSecret::parse(wrong).is_none(), "{wrong:?} was taken");
        }
    }

    #[test]
    fn a_login_session_ends_when_unused_and_after_a_shift_in_any_case() {
        let mut session = LoginSession::begin(&cookie(1), &user(), BEGUN);
        let state = |session: &LoginSession, minutes| {
            session.state(&user(), Lifetimes::default(), BEGUN.plus_millis(minutes * MINUTE_MS))
        };
        assert_eq!(state(&session, 59), LoginState::Live);
        assert_eq!(state(&session, 60), LoginState::Idle);
        for minute in (50..720).step_by(50) {
            session = session.used(BEGUN.plus_millis(minute * MINUTE_MS)).unwrap();
            assert_eq!(state(&session, minute), LoginState::Live);
        }
        assert_eq!(state(&session, 719), LoginState::Live);
        assert_eq!(state(&session, 720), LoginState::Expired);
    }

    #[test]
    fn another_password_or_other_rights_end_every_login_session() {
        let session = LoginSession::begin(&cookie(1), &user(), BEGUN);
        let state = |user: User| session.state(&user, Lifetimes::default(), BEGUN);
        assert_eq!(state(user()), LoginState::Live);
        assert_eq!(state(User { generation: 4, ..user() }), LoginState::Withdrawn);
        assert_eq!(state(User { disabled: Some(BEGUN), ..user() }), LoginState::Withdrawn);
        assert_eq!(state(User { name: UserName::parse("mario").unwrap(), ..user() }), LoginState::Withdrawn);
    }

    #[test]
    fn a_request_is_noted_once_a_minute() {
        let session = LoginSession::begin(&cookie(1), &user(), BEGUN);
        assert_eq!(session.used(BEGUN.plus_millis(MINUTE_MS - 1)), None);
        let noted = session.used(BEGUN.plus_millis(MINUTE_MS)).unwrap();
        assert_eq!(noted, LoginSession { last_used: BEGUN.plus_millis(MINUTE_MS), ..session });
    }

    #[test]
    fn a_clock_that_goes_back_a_little_ends_nothing_and_one_that_was_far_ahead_prolongs_nothing() {
        let session = LoginSession::begin(&cookie(1), &user(), BEGUN);
        let state = |minutes| session.state(&user(), Lifetimes::default(), BEGUN.plus_millis(minutes * MINUTE_MS));
        assert_eq!(state(-5), LoginState::Live);
        assert_eq!(session.used(BEGUN.plus_millis(-MINUTE_MS)), None);
        assert_eq!(state(-6), LoginState::Expired);
    }

    #[test]
    fn a_cookie_does_not_show_itself() {
        let shown = format!("{:?} {:?}", cookie(1), LoginSession::begin(&cookie(1), &user(), BEGUN));
        assert!(!shown.contains(cookie(1).expose()) && shown.contains("LoginHash(***)"), "{shown}");
    }
}
