//! The cookie of a login session: its name, its attributes, and reading it.
//!
//! Over TLS, also that of a reverse proxy, its name has the prefix `__Host-`: a browser accepts and sends such a cookie
//! only over TLS and only for exactly this host. The other name is accepted only without TLS, so that nobody on a
//! network can plant it for a page with TLS.

use access::{CookieSecret, Lifetimes, LoginHash};
use axum::http::request::Parts;
use axum::http::{HeaderValue, header};
use service_kit::http::OverTls;

const NAME: &str = "dwell-login";
const SECURE_NAME: &str = "__Host-dwell-login";
const FORWARDED_SCHEME: &str = "x-forwarded-proto";

/// The login session that a request names, known or not.
pub(super) fn login(head: &Parts) -> Option<LoginHash> {
    let name = name(is_secure(head));
    let values = head.headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = values.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs
        .find(|(found, _)| *found == name)
        .and_then(|(_, value)| CookieSecret::parse(value))
        .map(|secret| secret.hash())
}

/// The header that sets the cookie of a new login session.
pub(super) fn set(head: &Parts, secret: &CookieSecret) -> HeaderValue {
    written(is_secure(head), secret.expose(), Lifetimes::default().absolute.as_secs())
}

/// The header that removes the cookie.
pub(super) fn cleared(head: &Parts) -> HeaderValue {
    written(is_secure(head), "", 0)
}

fn written(is_secure: bool, value: &str, seconds: u64) -> HeaderValue {
    let secure = if is_secure { "; Secure" } else { "" };
    let text = format!("{}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}", name(is_secure));
    let mut header = HeaderValue::try_from(text).expect("names, digits and letters of base 32 are visible ASCII");
    header.set_sensitive(true);
    header
}

const fn name(is_secure: bool) -> &'static str {
    if is_secure { SECURE_NAME } else { NAME }
}

/// Whether the browser reached this service over TLS: its own, or that of a reverse proxy. A client that forges the
/// header of a proxy gets a cookie that its own browser refuses.
fn is_secure(head: &Parts) -> bool {
    head.extensions.get::<OverTls>().is_some()
        || head.headers.get(FORWARDED_SCHEME).is_some_and(|scheme| scheme.as_bytes().eq_ignore_ascii_case(b"https"))
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn head(headers: &[(&str, &str)], is_over_tls: bool) -> Parts {
        let request = headers.iter().fold(Request::builder(), |request, (name, value)| request.header(*name, *value));
        let mut head = request.body(()).unwrap().into_parts().0;
        if is_over_tls {
            head.extensions.insert(OverTls);
        }
        head
    }

    fn secret() -> CookieSecret {
        CookieSecret::from_random(&[5; CookieSecret::RANDOM_BYTES])
    }

    #[test]
    fn over_tls_only_a_cookie_that_no_other_host_can_plant_is_read() {
        let (plain, secure) =
            (format!("a=b; {NAME}={}", secret().expose()), format!("{SECURE_NAME}={}", secret().expose()));
        let proxied = (FORWARDED_SCHEME, "https");
        let read = |cookie: &str, headers: &[(&str, &str)], is_over_tls| {
            login(&head(&[&[("cookie", cookie)], headers].concat(), is_over_tls)).is_some()
        };
        assert!(read(&plain, &[], false) && !read(&plain, &[], true) && !read(&plain, &[proxied], false));
        assert!(!read(&secure, &[], false) && read(&secure, &[], true) && read(&secure, &[proxied], false));
        assert!(
            !read(&format!("{NAME}=x"), &[], false) && !read(&format!("x{NAME}={}", secret().expose()), &[], false)
        );
    }

    #[test]
    fn scripts_and_other_sites_never_have_the_cookie() {
        let value = secret().expose().to_owned();
        let set = |is_over_tls| set(&head(&[], is_over_tls), &secret()).to_str().unwrap().to_owned();
        assert_eq!(set(false), format!("dwell-login={value}; Path=/; Max-Age=43200; HttpOnly; SameSite=Lax"));
        assert_eq!(
            set(true),
            format!("__Host-dwell-login={value}; Path=/; Max-Age=43200; HttpOnly; SameSite=Lax; Secure")
        );
        assert_eq!(cleared(&head(&[], false)), "dwell-login=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax");
    }
}
