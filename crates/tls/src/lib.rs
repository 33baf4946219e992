//! TLS by rustls with ring: the certificates of listeners, which are read again when they change, and what clients
//! trust.
//!
//! Start reading at [`Listener`] and [`Connector`]; [`Failure`] explains why TLS with a server failed. Every connection
//! of Dwell, with TLS or without, is a [`Stream`].
//!
//! Deliberately not here: HTTP, timeouts and limits of connections, logs and metrics. `service-kit` has those.

mod connector;
mod failure;
mod files;
mod listener;
mod pem;
mod probe;
mod stream;
#[cfg(test)]
mod tests;
mod validity;

pub use connector::Connector;
pub use failure::Failure;
pub use files::{Reload, Stamps};
pub use listener::{Accepted, Listener, Protocol};
pub use probe::{connect_unverified, unverified};
pub use rustls::ClientConfig;
pub use stream::{Session, Stream};
pub use validity::Validity;

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

/// The only cryptography provider. It is passed to each configuration, because a default would be process-wide.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
