//! Makes text from outside safe to show: on a terminal, in a page, in an error.
//!
//! A control character can move a terminal's cursor, rename its window or hide what was written before; a bidirectional
//! control can make a text read as another one. Each is replaced by a visible character. What is stored and exported
//! stays as it was read.

use std::borrow::Cow;
use std::fmt::Write as _;

/// The text as one line.
pub fn one_line(text: &str) -> Cow<'_, str> {
    replaced(text, is_hidden)
}

/// The text with its line ends.
pub fn lines(text: &str) -> Cow<'_, str> {
    replaced(text, |character| character != '\n' && is_hidden(character))
}

/// JSON of one or more lines, of equal meaning: what must not be shown is escaped.
///
/// Outside strings JSON has no such characters, and inside them an escape stands for the character itself.
pub fn json(text: &str) -> Cow<'_, str> {
    let is_shown = |character: char| character == '\n' || !is_hidden(character);
    if text.chars().all(is_shown) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if is_shown(character) {
            escaped.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                write!(escaped, "\\u{unit:04x}").expect("a string takes all that is written");
            }
        }
    }
    Cow::Owned(escaped)
}

fn replaced(text: &str, is_replaced: impl Fn(char) -> bool) -> Cow<'_, str> {
    if text.chars().any(&is_replaced) {
        Cow::Owned(
            text.chars().map(|character| if is_replaced(character) { picture(character) } else { character }).collect(),
        )
    } else {
        Cow::Borrowed(text)
    }
}

/// Control characters, and format characters that are invisible or change the order of what is around them. The joiners
/// U+200C and U+200D stay: scripts need them.
fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{61c}'
                | '\u{200b}'
                | '\u{200e}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// The control picture of an ASCII control character; the replacement character for all others.
fn picture(character: char) -> char {
    match u32::from(character) {
        code @ 0..0x20 => char::from_u32(0x2400 + code).unwrap_or(char::REPLACEMENT_CHARACTER),
        0x7f => '\u{2421}',
        _ => char::REPLACEMENT_CHARACTER,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_shown_instead() {
        assert_eq!(one_line("\u{1b}]0;owned\u{7}\u{1b}[2JAB\r\n\t\0\u{7f}"), "␛]0;owned␇␛[2JAB␍␊␉␀␡");
        assert_eq!(one_line("\u{9b}2J\u{202e}CBA\u{2066}x\u{200f}\u{2028}\u{feff}\u{e0041}"), "�2J�CBA�x����");
        assert_eq!(lines("a\n\u{1b}b\r\n"), "a\n␛b␍\n");
    }

    #[test]
    fn ordinary_text_stays_as_it_is() {
        for text in ["", "AB-123", "äöü 京A12345 م ن\u{200c}و 🚗", "a, \"b\" <c>"] {
            assert!(matches!(one_line(text), Cow::Borrowed(same) if same == text), "{text}");
            assert!(matches!(json(text), Cow::Borrowed(same) if same == text), "{text}");
        }
    }

    #[test]
    fn json_means_the_same_without_anything_hidden() {
        let value = serde_json::json!({"a\u{9b}": ["\u{1b}[2J", "\u{202e}x\u{7f}", "\u{e0041}", "京\n"]});
        let text = format!("{value}\n");
        let shown = json(&text);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
        assert!(shown.trim_end().chars().all(|character| !is_hidden(character)), "{shown}");
        assert!(shown.contains(r"\u009b") && shown.contains(r"\udb40\udc41"), "{shown}");
    }
}
