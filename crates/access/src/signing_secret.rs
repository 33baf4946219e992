//! The secret by which a receiver of webhooks verifies what it gets, as Standard Webhooks defines it.
//!
//! `whsec_` + base64 of 32 random bytes. The signature is HMAC-SHA256 over `id.timestamp.body`, so a receiver notices a
//! changed body and an old message. Signing needs the secret itself, so the ledger has it as it is, not as a hash.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The secret of a webhook. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningSecret([u8; Self::BYTES]);

impl SigningSecret {
    /// The bytes of a secret.
    pub const BYTES: usize = 32;
    /// What the text of every secret begins with.
    pub const PREFIX: &str = "whsec_";

    /// A secret that was read, or made by a generator that is fit for secrets.
    pub const fn new(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn expose(&self) -> &[u8; Self::BYTES] {
        &self.0
    }

    /// The text that a receiver is configured with.
    pub fn expose_text(&self) -> String {
        format!("{}{}", Self::PREFIX, STANDARD.encode(self.0))
    }

    /// The signature of a message: an element of the header `webhook-signature`. The timestamp is in seconds since 1970.
    pub fn sign(&self, id: &str, timestamp_seconds: i64, body: &[u8]) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("a key may have any length");
        mac.update(format!("{id}.{timestamp_seconds}.").as_bytes());
        mac.update(body);
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SigningSecret(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_shows_itself_only_when_it_is_asked_to() {
        let secret = SigningSecret::new([7; SigningSecret::BYTES]);
        assert_eq!(format!("{secret:?}"), "SigningSecret(***)");
        assert_eq!(secret.expose_text(), "whsec_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=");
    }

    /// Computed with Python's `hmac` and `base64`.
    #[test]
    fn a_signature_is_that_of_the_specification() {
        let secret = SigningSecret::new([7; SigningSecret::BYTES]);
        assert_eq!(
            secret.sign("msg_1", 1_614_265_330, b"{\"test\": 2432232314}"),
            "v1,4tb+MnkCTqymlrGQQ6f66PPeMjMas7AHx6XI40qL5MA="
        );
        assert_ne!(secret.sign("msg_1", 1_614_265_331, b"{}"), secret.sign("msg_1", 1_614_265_330, b"{}"));
    }
}
