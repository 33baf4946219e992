//! A client for HTTP without TLS.
//!
//! The library's own functions need a default of the process for TLS, which there is not: the only provider is passed.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};

/// A client that trusts no authority.
pub fn http() -> reqwest::Client {
    builder().build().expect("a client that uses no file can be made")
}

/// Like `reqwest::get`.
pub async fn get(url: impl reqwest::IntoUrl) -> reqwest::Result<reqwest::Response> {
    http().get(url).send().await
}

/// The builder of such a client.
pub fn builder() -> reqwest::ClientBuilder {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.expect("ring has all versions").with_root_certificates(RootCertStore::empty());
    reqwest::Client::builder().tls_backend_preconfigured(config.with_no_client_auth())
}
