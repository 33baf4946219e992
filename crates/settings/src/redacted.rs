//! Texts that may contain a password, displayed without it.
//!
//! [`Redacted`] carries such a text to its user; [`redact`] makes any text safe for a log or an error. The table of
//! settings defines which settings are entirely secret.

use std::fmt;

/// Replaces a secret.
pub(super) const HIDDEN: &str = "***";
/// Keys of `key=value` pairs (in a query, or in a list of words) with a secret value.
const SECRET_KEYS: [&str; 5] = ["password", "passwd", "token", "secret", "api_key"];

/// A text that may contain a password. `Debug` and `Display` show it redacted; [`expose`](Self::expose) returns the
/// original.
#[derive(Clone, PartialEq, Eq)]
pub struct Redacted {
    text: String,
    shown: String,
}

impl Redacted {
    /// A text that is secret as a whole, and shown as `***`.
    pub fn secret(text: impl Into<String>) -> Self {
        Self { text: text.into(), shown: HIDDEN.to_owned() }
    }

    /// A URL, shown without its passwords.
    pub fn url(text: impl Into<String>) -> Self {
        let text = text.into();
        let shown = redact(&text);
        Self { text, shown }
    }

    /// The original text, for the client that needs it. Never log it.
    pub fn expose(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Redacted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.shown)
    }
}

impl fmt::Debug for Redacted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Redacted({})", self.shown)
    }
}

/// Replaces every password in the text by `***`: that of a URL, and those of `password=…` and similar pairs.
///
/// It works on any text, also on an invalid URL; in doubt it hides too much.
pub fn redact(text: &str) -> String {
    redact_pairs(&redact_user_info(text))
}

/// `scheme://user:password@rest` becomes `scheme://user:***@rest`.
fn redact_user_info(text: &str) -> String {
    let Some(scheme_end) = text.find("://").map(|at| at + 3) else {
        return text.to_owned();
    };
    let (scheme, rest) = text.split_at(scheme_end);
    // A password may contain an unescaped `/` or `@`, so it ends at the last `@`, wherever that is.
    let Some(at) = rest.rfind('@') else {
        return text.to_owned();
    };
    let (user_info, host) = rest.split_at(at);
    match user_info.split_once(':') {
        Some((user, _)) => format!("{scheme}{user}:{HIDDEN}{host}"),
        // A single word before the `@` is a user, or a token.
        None => format!("{scheme}{HIDDEN}{host}"),
    }
}

/// `password=abc` becomes `password=***`, up to the next `&`, `;` or blank.
fn redact_pairs(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let mut redacted = String::with_capacity(text.len());
    let mut done = 0;
    while let Some(value) = next_secret_value(&lower, done) {
        let length = text[value..].find(|c: char| c == '&' || c == ';' || c.is_whitespace());
        redacted.push_str(&text[done..value]);
        redacted.push_str(HIDDEN);
        done = length.map_or(text.len(), |length| value + length);
    }
    redacted.push_str(&text[done..]);
    redacted
}

/// The start of the value of the next secret pair at or after `from`.
fn next_secret_value(lower: &str, from: usize) -> Option<usize> {
    SECRET_KEYS
        .iter()
        .filter_map(|key| {
            let needle = format!("{key}=");
            lower[from..].find(&needle).map(|at| from + at + needle.len())
        })
        .min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_masked_wherever_they_stand() {
        let cases = [
            ("amqp://guest:guest@host:5672/%2f", "amqp://guest:***@host:5672/%2f"),
            ("redis://:s3cret@host/0", "redis://:***@host/0"),
            ("postgres://u:p@ss/w@host/db", "postgres://u:***@host/db"),
            ("http://token@host/", "http://***@host/"),
            ("postgres://host/db?user=u&Password=abc&x=1", "postgres://host/db?user=u&Password=***&x=1"),
            ("host=h password=abc user=u", "host=h password=*** user=u"),
            ("sqlite:./dwell-data/ledger.db", "sqlite:./dwell-data/ledger.db"),
            ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
        ];
        for (text, shown) in cases {
            assert_eq!(redact(text), shown);
        }
    }

    #[test]
    fn a_masked_text_shows_nothing_of_its_secret_and_gives_it_when_asked() {
        let token = Redacted::secret("0123456789abcdef");
        let url = Redacted::url("amqp://guest:hidden@host");

        assert_eq!(format!("{token} {token:?}"), "*** Redacted(***)");
        assert_eq!(format!("{url} {url:?}"), "amqp://guest:***@host Redacted(amqp://guest:***@host)");
        assert_eq!((token.expose(), url.expose()), ("0123456789abcdef", "amqp://guest:hidden@host"));
    }
}
