//! Bounds the nesting of a request before it is parsed.
//!
//! The GraphQL parser and the conversion of variables recurse over nested values, so deep nesting would overflow the
//! stack. One pass over the bytes counts brackets outside strings and comments. It needs no grammar: the parser refuses
//! invalid text, and never recurses deeper than the brackets of its input.

/// The deepest nesting of brackets, braces and parentheses.
pub(super) const NESTING_BRACKETS_MAX: usize = 64;
/// The longest name or number, bytes. Validation repeats names in its messages.
pub(super) const NAME_BYTES_MAX: usize = 256;

/// Checks a GraphQL document or a JSON text.
///
/// One set of rules serves both: comments and block strings, which JSON lacks, can't begin in valid JSON.
///
/// # Errors
/// The exceeded limit, and the position.
pub(super) fn check(text: &str) -> Result<(), String> {
    let bytes = text.as_bytes();
    let (mut depth, mut word, mut at) = (0_usize, 0_usize, 0_usize);
    while let Some(byte) = bytes.get(at) {
        word = if byte.is_ascii_alphanumeric() || *byte == b'_' { word + 1 } else { 0 };
        match byte {
            b'{' | b'[' | b'(' => depth += 1,
            b'}' | b']' | b')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > NESTING_BRACKETS_MAX {
            return Err(format!("the request is nested deeper than {NESTING_BRACKETS_MAX} brackets at byte {at}"));
        }
        if word > NAME_BYTES_MAX {
            return Err(format!(
                "a name or number at byte {} has more than {NAME_BYTES_MAX} characters",
                at - NAME_BYTES_MAX
            ));
        }
        at = match byte {
            b'#' => end_of_line(bytes, at),
            b'"' => end_of_string(bytes, at)?,
            _ => at + 1,
        };
    }
    Ok(())
}

fn end_of_line(bytes: &[u8], from: usize) -> usize {
    let rest = bytes[from..].iter().position(|byte| matches!(byte, b'\n' | b'\r'));
    rest.map_or(bytes.len(), |length| from + length)
}

/// The position after the string that begins at `from`.
fn end_of_string(bytes: &[u8], from: usize) -> Result<usize, String> {
    if bytes[from..].starts_with(br#"""""#) {
        return end_of_block(bytes, from);
    }
    let mut at = from + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 2,
            b'"' => return Ok(at + 1),
            // A string must end on its line. The parser refuses this one; the scan still counts the brackets that
            // follow.
            b'\n' | b'\r' => return Ok(at),
            _ => at += 1,
        }
    }
    Ok(bytes.len())
}

/// The position after a block string. Refuses one without an end: the parser would read its quotes as an empty string
/// and continue after them.
fn end_of_block(bytes: &[u8], from: usize) -> Result<usize, String> {
    let mut at = from + 3;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with(br#"\""""#) {
            at += 4;
        } else if rest.starts_with(br#"""""#) {
            return Ok(at + 3);
        } else {
            at += 1;
        }
    }
    Err(format!("the block string at byte {from} has no end"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(open: &str, close: &str, levels: usize) -> String {
        open.repeat(levels) + &close.repeat(levels)
    }

    #[test]
    fn nesting_is_bounded_for_every_kind_of_bracket() {
        for (open, close) in
            [("[", "]"), ("{", "}"), ("(", ")"), ("{a:[(", ")]}"), ("[#]]]]\n", "]"), ("[\"]\\\"]\"", "]")]
        {
            let each = open.bytes().filter(|byte| b"[{(".contains(byte)).count();
            assert_eq!(check(&nested(open, close, NESTING_BRACKETS_MAX / each)), Ok(()), "{open}");
            let refused = check(&nested(open, close, NESTING_BRACKETS_MAX / each + 1)).unwrap_err();
            assert!(refused.contains("deeper than 64 brackets"), "{open}: {refused}");
            assert!(check(&open.repeat(100_000)).is_err(), "{open} without an end");
        }
    }

    #[test]
    fn brackets_in_strings_and_comments_are_not_counted() {
        let many = "[".repeat(1_000);
        for text in [
            format!("\"{many}\""),
            format!("\"\\\"{many}\""),
            format!("\"\"\"{many}\n\" \"\" \\\"\"\" {many}\"\"\""),
            format!("# {many}\n{{a}}"),
            format!("# \"\n# {many}"),
            format!("{{\"query\": \"{many}\"}}"),
        ] {
            assert_eq!(check(&text), Ok(()), "{text}");
        }
    }

    #[test]
    fn a_string_never_hides_brackets_that_the_parser_would_see() {
        let many = "[".repeat(1_000);
        for text in [
            format!("\"\"\"a\" {many}"),
            format!("\"\" {many}"),
            format!("\"\"\"\"\"\" {many}"),
            format!("\"\"\"\\\\\"\"\" \"\"\" {many}"),
            format!("\"\\\\\" {many}"),
            format!("\" \n {many}"),
            format!("# \" \r {many}"),
        ] {
            assert!(check(&text).is_err(), "{text}");
        }
    }

    #[test]
    fn names_are_bounded() {
        assert_eq!(check(&format!("{{ {} }}", "a".repeat(NAME_BYTES_MAX))), Ok(()));
        let refused = check(&format!("{{ {} }}", "a1_".repeat(NAME_BYTES_MAX))).unwrap_err();
        assert_eq!(refused, "a name or number at byte 2 has more than 256 characters");
        assert_eq!(check(&format!("{{ a(b: \"{}\") }}", "a".repeat(10_000))), Ok(()));
    }
}
