//! Who may do what: principals, tokens, people, masked plates and the audit chain.
//!
//! | word | meaning |
//! | --- | --- |
//! | principal | who sends a request: a token, a person, a local program, a worker of Dwell itself |
//! | scope | a kind of work: `ingest`, `record`, `read`, `read_plate`, `correct`, `admin` |
//! | grant | the scopes of a token or a person, the lots they hold for, and the gates of `ingest` |
//! | token | the secret of a machine, shown once and stored as a hash |
//! | login session | what a signed-in browser's cookie names; not to be confused with a session, which is a stay |
//! | audit chain | an append-only list of records, each with a keyed hash over itself and the one before it |
//!
//! Everything here is pure: time and random bytes are arguments, and nothing waits, logs or stores. No `Debug` or
//! `Display` here, and no error, holds a secret or a plate.
//!
//! Deliberately not here: headers and cookies (the HTTP faces), storing (the ledger), and which question needs which
//! scope (the crate that answers it). Hashing a password takes about a tenth of a second of CPU time and 19 MiB: the
//! caller chooses the thread, and limits how many run at once.

mod grant;
mod lots;
mod mask;
mod scope;

pub use grant::{Gates, Grant, GrantFault};
pub use lots::Lots;
pub use mask::{MASK, mask_plate, mask_read};
pub use scope::{Scope, Scopes, UnknownScope};
