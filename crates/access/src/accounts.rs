//! What is stored of tokens, users and login sessions, and the changes to it.
//!
//! The ledger stores them; [`Directory`](crate::Directory) finds principals in them.

use parking::Timestamp;

use crate::{LoginHash, LoginSession, PasswordHash, TokenId, TokenRecord, User, UserName};

/// The maximum login sessions of a user. A sign-in beyond it ends the oldest one.
pub const LOGINS_OF_USER_MAX: u32 = 16;

/// All accounts of a ledger.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Accounts {
    /// The tokens, revoked ones included, by id.
    pub tokens: Vec<TokenRecord>,
    /// The users, by name.
    pub users: Vec<User>,
    /// The login sessions, by hash. Ended ones may be among them.
    pub logins: Vec<LoginSession>,
}

/// A change to the accounts of a ledger. It is atomic, and it changes something or nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountChange {
    /// Adds a token. Nothing changes if its id is known.
    AddToken(TokenRecord),
    /// Revokes a token. Nothing changes if it is unknown or revoked.
    RevokeToken {
        /// The token.
        id: TokenId,
        /// The time of the revocation.
        at: Timestamp,
    },
    /// Adds a user. Nothing changes if the name is taken.
    AddUser(User),
    /// Replaces the password of a user, raises the user's generation, and ends the user's login sessions. Nothing changes
    /// if there is no such user.
    SetPassword {
        /// The user.
        name: UserName,
        /// The new password.
        password: PasswordHash,
    },
    /// Removes a user, and the user's login sessions. Nothing changes if there is no such user.
    RemoveUser(UserName),
    /// Adds a login session, and removes those that began before a time, and the oldest ones of the user above
    /// [`LOGINS_OF_USER_MAX`]. Nothing changes unless the user has that generation and is not disabled.
    BeginLogin {
        /// The session.
        login: LoginSession,
        /// Login sessions that began before this time have ended.
        ended_before: Timestamp,
    },
    /// Notes when login sessions were used last. An earlier time than the stored one changes nothing.
    NoteUse(Vec<(LoginHash, Timestamp)>),
    /// Removes a login session. Nothing changes if there is no such session.
    EndLogin(LoginHash),
}
