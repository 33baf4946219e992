//! Hides secrets and plates in text that other programs wrote, such as logs. Pure.
//!
//! Our own logs have neither. A file may also have lines of a proxy, of a camera or of another program, so this hides
//! what follows a telling name, and every word that looks like a plate. In doubt it hides too much. The secrets of our
//! own settings are found by their values: `Settings::hide_secrets`.

use settings::redact;

const HIDDEN: &str = "***";
/// Names, in lower case, whose values are hidden. A name may be part of a longer one, such as `exit_vehicle_plate`.
const NAMES: [&str; 9] =
    ["plate", "password", "passwd", "secret", "token", "api_key", "apikey", "authorization", "cookie"];
/// Words before the credentials of a request.
const SCHEMES: [&str; 2] = ["bearer ", "basic "];
/// The length of a plate with its separators.
const PLATE_LENGTH: std::ops::RangeInclusive<usize> = 4..=12;

/// The line without passwords, tokens, and values of plates.
pub(super) fn named_values(line: &str) -> String {
    let line = redact(line);
    let lower = line.to_ascii_lowercase();
    let mut shown = String::with_capacity(line.len());
    let mut done = 0;
    while let Some(start) = next_value(&lower, done) {
        shown.push_str(&line[done..start]);
        shown.push_str(HIDDEN);
        done = start + value_length(&line[start..]);
    }
    shown.push_str(&line[done..]);
    shown
}

/// The line without words that look like plates: capitals and digits, both present. Times and units stay.
pub(super) fn plate_like_words(line: &str) -> String {
    let is_of_word = |c: char| c.is_alphanumeric() || c == '-' || c == '_' || c == ':' || c == '.';
    let mut shown = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(start) = rest.find(is_of_word) {
        shown.push_str(&rest[..start]);
        let after = &rest[start..];
        let end = after.find(|c| !is_of_word(c)).unwrap_or(after.len());
        let (word, more) = after.split_at(end);
        shown.push_str(if looks_like_plate(word) { HIDDEN } else { word });
        rest = more;
    }
    shown + rest
}

fn looks_like_plate(word: &str) -> bool {
    let word = word.trim_end_matches([':', '.']);
    let has = |is: fn(&char) -> bool| word.chars().any(|c| is(&c));
    let digits = word.chars().filter(char::is_ascii_digit).count();
    PLATE_LENGTH.contains(&word.chars().count())
        && word.chars().all(|c| c.is_uppercase() || c.is_ascii_digit() || c == '-')
        && has(|c| c.is_uppercase())
        && digits >= 2
        && !is_date(word)
}

/// The beginning of a time such as `2024-09-24T09`.
fn is_date(word: &str) -> bool {
    let shape: String = word.chars().take(8).map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    shape == "0000-00-"
}

/// The start of the next value to hide, at or after `from`.
fn next_value(lower: &str, from: usize) -> Option<usize> {
    let after_name = NAMES.iter().filter_map(|name| {
        let mut at = from;
        loop {
            let end = at + lower.get(at..)?.find(name)? + name.len();
            match value_after(&lower[end..]) {
                Some(gap) if end + gap < lower.len() => return Some(end + gap),
                _ => at = end,
            }
        }
    });
    let after_scheme = SCHEMES.iter().filter_map(|scheme| Some(from + lower.get(from..)?.find(scheme)? + scheme.len()));
    after_name.chain(after_scheme).min()
}

/// How far the value is behind a name: the rest of the name, a quote, blanks, `=` or `:`, blanks.
fn value_after(text: &str) -> Option<usize> {
    let rest = text.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    let rest = rest.trim_start_matches(['"', '\'', '\\']).trim_start();
    let rest = rest.strip_prefix(['=', ':'])?.trim_start();
    Some(text.len() - rest.len())
}

/// The length of a value in bytes: up to the closing quote, or else up to a separator. A scheme and its credentials are
/// one value.
fn value_length(text: &str) -> usize {
    let is_scheme = |scheme: &&str| text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    if let Some(scheme) = SCHEMES.into_iter().find(is_scheme) {
        return scheme.len() + value_length(&text[scheme.len()..]);
    }
    let quoted =
        text.strip_prefix("\\\"").map(|rest| (2, rest)).or_else(|| text.strip_prefix('"').map(|rest| (1, rest)));
    if let Some((opening, rest)) = quoted {
        return rest.find('"').map_or(text.len(), |end| opening + end + 1);
    }
    text.find(|c: char| c.is_whitespace() || [',', '&', ';', '}', ']', ')', '"'].contains(&c)).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_a_telling_name_is_hidden() {
        for (line, shown) in [
            ("GET /search?plate=AB+12&x=1 200", "GET /search?plate=***&x=1 200"),
            (r#"{"vehicle_plate":"ab c1","lot":"P3"}"#, r#"{"vehicle_plate":***,"lot":"P3"}"#),
            (r#"body="{\"licensePlate\": \"ab c1\"}""#, r#"body="{\"licensePlate\": ***}""#),
            ("Authorization: Bearer abc.def, x", "Authorization: ***, x"),
            ("sent Bearer abc.def to it", "sent Bearer *** to it"),
            ("password: hunter2, user: a", "password: ***, user: a"),
            ("amqp://guest:canary@broker/%2f", "amqp://guest:***@broker/%2f"),
            ("no plate was read", "no plate was read"),
            ("the plate:", "the plate:"),
            ("a token", "a token"),
        ] {
            assert_eq!(named_values(line), shown);
        }
    }

    #[test]
    fn words_that_look_like_plates_are_hidden_and_times_ids_and_lots_stay() {
        for hidden in ["ABC-123", "AB12CDE", "B-MW1234", "7ABC123", "ÄB1234"] {
            assert_eq!(plate_like_words(&format!("read {hidden}, sure")), "read ***, sure", "{hidden}");
        }
        let line = "2024-09-24T09:00:00.125Z INFO session matched lot=P3 dwell=1h47m HTTP/1.1 200 \
            exit_event=ea90a8f0-d66b-429e-aa8a-c4ba05805975 5000 127.0.0.1:5000";
        assert_eq!(plate_like_words(line), line);
    }
}
