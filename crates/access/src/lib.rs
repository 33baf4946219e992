//! Who may do what: principals, tokens, people, masked plates and the audit chain.
//!
//! | word | meaning |
//! | --- | --- |
//! | principal | who sends a request: a token, a person, a local program, a worker of Dwell itself |
//! | scope | a kind of work: `ingest`, `record`, `read`, `read_plate`, `correct`, `admin` |
//! | grant | the scopes of a token or a person, the lots they hold for, and the gates of `ingest` |
//! | token | the secret of a machine, shown once and stored as a hash |
//! | mask, alias | what a principal without `read_plate` sees instead of a plate, and of an id |
//! | login session | what a signed-in browser's cookie names; not to be confused with a session, which is a stay |
//! | audit chain | an append-only list of records, each with a keyed hash over itself and the one before it |
//!
//! Everything here is pure: time and random bytes are arguments, and nothing waits, logs or stores. No `Debug` or
//! `Display` here, and no error, holds a secret or a plate. Start reading at [`Principal`] and [`Tokens`].
//!
//! Deliberately not here: headers and cookies (the HTTP faces), storing (the ledger), and which question needs which
//! scope (the crate that answers it). Hashing a password takes about a tenth of a second of CPU time and 19 MiB: the
//! caller chooses the thread, and limits how many run at once.

mod accounts;
mod aliases;
pub mod audit;
mod base32;
mod csrf;
mod directory;
mod grant;
mod keyring;
mod lockout;
mod lockouts;
mod login;
mod lots;
mod mask;
mod mode;
mod password;
mod plate_hash;
mod principal;
mod scope;
mod secret;
mod setup_code;
mod signing_secret;
mod token;
mod token_record;
mod tokens;
mod tokens_file;
mod user;
mod user_name;

pub use accounts::{AccountChange, Accounts, LOGINS_OF_USER_MAX};
pub use aliases::Aliases;
pub use csrf::CsrfToken;
pub use directory::Directory;
pub use grant::{Gates, Grant, GrantFault};
pub use keyring::{Keyring, KeyringFault};
pub use lockout::{Attempts, Backoff, Wait};
pub use lockouts::Lockouts;
pub use login::{CookieSecret, Lifetimes, LoginHash, LoginSession, LoginState};
pub use lots::Lots;
pub use mask::{MASK, mask_plate, mask_read};
pub use mode::{Access, Credentials, Mode, Startup, StartupRefused, UnknownMode};
pub use password::{Password, PasswordFault, PasswordHash, UnreadableHash, verify_password};
pub use plate_hash::PlateHash;
pub use principal::{Denied, Principal, Who};
pub use scope::{Scope, Scopes, UnknownScope};
pub use secret::Secret;
pub use setup_code::SetupCode;
pub use signing_secret::SigningSecret;
pub use token::{Token, TokenFault, TokenHash, TokenId};
pub use token_record::{Refused, TokenRecord};
pub use tokens::{DuplicateToken, Tokens};
pub use tokens_file::{RevokeFault, TokensFileError};
pub use user::User;
pub use user_name::UserName;

/// The bytes of every hash and key here: those of SHA-256.
pub const HASH_BYTES: usize = 32;
