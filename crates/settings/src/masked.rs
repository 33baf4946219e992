//! Texts that may hold a password: they show themselves without it.
//!
//! [`Masked`] carries such a text to where it is used; [`mask`] makes any text fit for a log or an error. Deciding
//! which settings are secret as a whole is left to the table.

use std::fmt;

/// What stands in the place of a secret.
const HIDDEN: &str = "***";
/// Keys of `key=value` pairs (in a query, or in a list of words) whose value is a secret.
const SECRET_KEYS: [&str; 5] = ["password", "passwd", "token", "secret", "api_key"];

/// A text that may hold a password. `Debug` and `Display` show it masked; [`expose`](Self::expose) gives it whole.
#[derive(Clone, PartialEq, Eq)]
pub struct Masked {
    text: String,
    shown: String,
}

impl Masked {
    /// A secret as a whole: nothing of it is ever shown.
    pub fn secret(text: impl Into<String>) -> Self {
        Self { text: text.into(), shown: HIDDEN.to_owned() }
    }

    /// A URL: all of it is shown but its passwords.
    pub fn url(text: impl Into<String>) -> Self {
        let text = text.into();
        let shown = mask(&text);
        Self { text, shown }
    }

    /// The text itself, for the client that needs it. Never log it.
    pub fn expose(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Masked {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.shown)
    }
}

impl fmt::Debug for Masked {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Masked({})", self.shown)
    }
}

/// The text with every password in it replaced by `***`: that of a URL, and those of `password=…` and its like.
///
/// It works on any text, also on a URL that is broken; when in doubt it hides too much.
pub fn mask(text: &str) -> String {
    mask_pairs(&mask_user_info(text))
}

/// `scheme://user:password@rest` becomes `scheme://user:***@rest`.
fn mask_user_info(text: &str) -> String {
    let Some(scheme_end) = text.find("://").map(|at| at + 3) else {
        return text.to_owned();
    };
    let (scheme, rest) = text.split_at(scheme_end);
    // A password may hold an unescaped `/` or `@`, so the last `@` ends it, wherever it stands.
    let Some(at) = rest.rfind('@') else {
        return text.to_owned();
    };
    let (user_info, host) = rest.split_at(at);
    match user_info.split_once(':') {
        Some((user, _)) => format!("{scheme}{user}:{HIDDEN}{host}"),
        // Alone before the `@` stands a user, or just as well a token.
        None => format!("{scheme}{HIDDEN}{host}"),
    }
}

/// `password=abc` becomes `password=***`, up to the next `&`, `;` or blank.
fn mask_pairs(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let mut masked = String::with_capacity(text.len());
    let mut done = 0;
    while let Some(value) = next_secret_value(&lower, done) {
        let length = text[value..].find(|c: char| c == '&' || c == ';' || c.is_whitespace());
        masked.push_str(&text[done..value]);
        masked.push_str(HIDDEN);
        done = length.map_or(text.len(), |length| value + length);
    }
    masked.push_str(&text[done..]);
    masked
}

/// Where the value of the next secret pair begins, at `from` or later.
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
            assert_eq!(mask(text), shown);
        }
    }

    #[test]
    fn a_masked_text_shows_nothing_of_its_secret_and_gives_it_when_asked() {
        let token = Masked::secret("0123456789abcdef");
        let url = Masked::url("amqp://guest:hidden@host");

        assert_eq!(format!("{token} {token:?}"), "*** Masked(***)");
        assert_eq!(format!("{url} {url:?}"), "amqp://guest:***@host Masked(amqp://guest:***@host)");
        assert_eq!((token.expose(), url.expose()), ("0123456789abcdef", "amqp://guest:hidden@host"));
    }
}
