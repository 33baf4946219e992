//! TLS by rustls with ring: the certificates of listeners, which are read again when they change.
//!
//! Start reading at [`Listener`]. Every connection of Dwell, with TLS or without, is a [`Stream`].
//!
//! Deliberately not here: HTTP, timeouts and limits of connections, logs and metrics. `service-kit` has those.

mod files;
mod listener;
mod pem;
mod probe;
mod stream;
#[cfg(test)]
mod tests;
mod validity;

pub use files::Reload;
pub use listener::{Accepted, Listener, Protocol};
pub use probe::connect_unverified;
pub use stream::Stream;
pub use validity::Validity;

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

/// The only cryptography provider. It is passed to each configuration, because a default would be process-wide.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
