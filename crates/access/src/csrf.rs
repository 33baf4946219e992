//! CSRF tokens: a form of the page carries one, so that a page of another site can't send it.
//!
//! The token is a keyed hash of the login cookie's value, so nothing is stored, it belongs to one login session, and a
//! page that shows it does not show the cookie. It works for a form before the sign-in too, with a cookie of its own.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::Secret;
use crate::base32::encode;

/// The token of one login session. `Debug` hides it.
#[derive(Clone)]
pub struct CsrfToken(Secret);

impl CsrfToken {
    pub(crate) fn of(cookie: &str) -> Self {
        let mut mac = Hmac::<Sha256>::new_from_slice(cookie.as_bytes()).expect("HMAC takes a key of any length");
        mac.update(b"dwell csrf 1");
        Self(Secret::new(encode(&mac.finalize().into_bytes())))
    }

    /// The text for the form.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// Whether a form came with this token. It takes equally long for every wrong text of that length.
    pub fn matches(&self, sent: &str) -> bool {
        self.0.expose().as_bytes().ct_eq(sent.as_bytes()).into()
    }
}

impl fmt::Debug for CsrfToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("CsrfToken(***)")
    }
}

#[cfg(test)]
mod tests {
    use crate::CookieSecret;

    fn cookie(random: u8) -> CookieSecret {
        CookieSecret::from_random(&[random; CookieSecret::RANDOM_BYTES])
    }

    #[test]
    fn a_form_is_taken_only_with_the_token_of_its_own_login_session() {
        let token = cookie(1).csrf_token();
        assert!(token.matches(cookie(1).csrf_token().expose()));
        assert!(!token.matches(cookie(2).csrf_token().expose()));
        for wrong in ["", cookie(1).expose(), &token.expose()[1..], &format!("{} ", token.expose())] {
            assert!(!token.matches(wrong), "{wrong:?} was taken");
        }
    }

    #[test]
    fn a_form_does_not_show_the_cookie() {
        let token = cookie(1).csrf_token();
        assert!(!token.expose().contains(cookie(1).expose()));
        assert_eq!(format!("{token:?}"), "CsrfToken(***)");
    }
}
