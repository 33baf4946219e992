//! Finds the secrets of these settings in any text, and hides them.
//!
//! `redacted` hides what looks like a secret; here the values themselves are known.

use std::collections::BTreeSet;

use percent_encoding::percent_decode_str;

use super::effective::is_hidden;
use super::redacted::{HIDDEN, redact};
use super::table::ALL;
use super::{Setting, Settings};

/// Shorter secrets are not searched for: replacing one or two letters would make any text unreadable.
const LENGTH_MIN: usize = 3;

impl Settings {
    /// The text without the secrets of these settings: whole values, and passwords in URLs, also decoded. Secrets of fewer
    /// than three bytes stay.
    pub fn hide_secrets(&self, text: &str) -> String {
        let mut secrets: Vec<String> = self.secrets().into_iter().collect();
        // One secret may contain another one.
        secrets.sort_unstable_by_key(|secret| std::cmp::Reverse(secret.len()));
        secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), HIDDEN))
    }

    fn secrets(&self) -> BTreeSet<String> {
        let mut secrets = BTreeSet::new();
        for setting in ALL {
            let Some(given) = self.given.get(setting.name) else { continue };
            for hidden in hidden_parts(setting, &given.value) {
                let decoded = percent_decode_str(hidden).decode_utf8_lossy().into_owned();
                secrets.extend([hidden.to_owned(), decoded]);
            }
        }
        secrets.retain(|secret| secret.len() >= LENGTH_MIN);
        secrets
    }
}

/// The parts of a value that are never shown.
fn hidden_parts<'v>(setting: &Setting, value: &'v str) -> Vec<&'v str> {
    if is_hidden(setting, value) {
        // Of several lines, a log may have some.
        return std::iter::once(value).chain(value.lines()).collect();
    }
    let shown = redact(value);
    let mut pieces = shown.split(HIDDEN);
    let mut rest = pieces.next().and_then(|first| value.strip_prefix(first)).unwrap_or_default();
    let mut pieces = pieces.peekable();
    let mut hidden = Vec::new();
    while let Some(piece) = pieces.next() {
        let is_last = pieces.peek().is_none();
        let end = if is_last { rest.len().checked_sub(piece.len()) } else { rest.find(piece) };
        let Some((part, after)) = end.and_then(|end| rest.split_at_checked(end)) else { break };
        hidden.push(part);
        rest = after.get(piece.len()..).unwrap_or_default();
    }
    hidden
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_secret_is_found_in_any_text() {
        let settings = Settings::from_variables([
            ("DWELL_INTERNAL_TOKEN", "canary-of-the-token"),
            ("DWELL_AMQP_URL", "amqp://guest:canary%2Fof%20amqp@broker/%2f"),
            ("DWELL_REDIS_URL", "redis://:canary-of-redis@cache"),
            ("DWELL_DATABASE_URL", "host=h password=canary-of-db user=u"),
            ("DWELL_SUMMARY_API_URL", "http://canary-of-user@api/?token=canary-of-query&x=1"),
        ])
        .unwrap();

        let text = "Bearer canary-of-the-token, canary%2Fof%20amqp, canary/of amqp, x=canary-of-redis, 'canary-of-db', \
            canary-of-user canary-of-query; guest broker cache";

        let hidden = settings.hide_secrets(text);

        assert_eq!(hidden, "Bearer ***, ***, ***, x=***, '***', *** ***; guest broker cache");
    }

    #[test]
    fn a_key_that_was_given_instead_of_its_path_is_found_line_by_line() {
        let key = "-----BEGIN PRIVATE KEY-----\ncanary\n-----END PRIVATE KEY-----\n";
        let settings = Settings::from_variables([("DWELL_TLS_KEY_FILE", key)]).unwrap();

        assert_eq!(settings.hide_secrets(&format!("key: {key}end")), "key: ***end");
        assert_eq!(settings.hide_secrets("a line with canary in it"), "a line with *** in it");
    }

    #[test]
    fn settings_without_secrets_leave_a_text_as_it_is() {
        let settings = Settings::from_variables([("DWELL_AMQP_URL", "amqp://broker")]).unwrap();
        assert_eq!(settings.hide_secrets("amqp://broker a b"), "amqp://broker a b");
    }
}
