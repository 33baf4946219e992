//! Takes the elements of a JSON array apart without reading them, so that one that is no JSON takes no other with it.

/// The elements of the array that `body` is, without the space around them. `None` when the array itself is broken:
/// it does not end, something follows it, or there is nothing between two commas.
pub(super) fn split(body: &[u8]) -> Option<Vec<&[u8]>> {
    let inside = body.trim_ascii().strip_prefix(b"[")?.strip_suffix(b"]")?;
    if inside.trim_ascii().is_empty() {
        return Some(Vec::new());
    }
    let mut elements = Vec::new();
    let (mut begin, mut depth) = (0, 0_usize);
    let mut bytes = inside.iter().enumerate();
    while let Some((place, byte)) = bytes.next() {
        match byte {
            b'"' => skip_string(&mut bytes)?,
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.checked_sub(1)?,
            b',' if depth == 0 => {
                elements.push(inside[begin..place].trim_ascii());
                begin = place + 1;
            }
            _ => {}
        }
    }
    elements.push(inside[begin..].trim_ascii());
    (depth == 0 && elements.iter().all(|element| !element.is_empty())).then_some(elements)
}

/// Goes on behind the end of a string; `None` when it has none.
fn skip_string<'a>(bytes: &mut impl Iterator<Item = (usize, &'a u8)>) -> Option<()> {
    while let Some((_, byte)) = bytes.next() {
        match byte {
            b'"' => return Some(()),
            b'\\' => drop(bytes.next()?),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(body: &str) -> Option<Vec<&str>> {
        let elements = split(body.as_bytes())?;
        Some(elements.into_iter().map(|element| std::str::from_utf8(element).unwrap()).collect())
    }

    #[test]
    fn elements_are_parted_at_the_commas_between_them() {
        assert_eq!(texts(" [ ] "), Some(vec![]));
        assert_eq!(texts(r#"[1, {"a": [2, 3]} ,"x,]\"y" ]"#), Some(vec!["1", r#"{"a": [2, 3]}"#, r#""x,]\"y""#]));
        assert_eq!(texts("[NaN, {}]"), Some(vec!["NaN", "{}"]));
    }

    #[test]
    fn an_array_that_is_broken_is_none() {
        for body in ["", "[", "[1", "[1,]", "[,1]", "[1] 2", "[1]]", "[[1]", "[\"x]", "[\"x\\\"]", "{}"] {
            assert_eq!(texts(body), None, "{body}");
        }
    }
}
