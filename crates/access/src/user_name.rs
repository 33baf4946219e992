//! The names of people who sign in.

use std::fmt;

/// The name of a user: 1 to 64 of `a-z 0-9 . _ @ + -`, in lower case, so that no two names look the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserName(String);

impl UserName {
    /// The longest name, bytes.
    pub const BYTES_MAX: usize = 64;

    /// Takes a name; upper case becomes lower case.
    ///
    /// # Errors
    /// What is wrong with it, as the end of a sentence. It says nothing of the text: people type passwords here.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"._@+-".contains(&byte);
        let is_name = (1..=Self::BYTES_MAX).contains(&text.len()) && text.bytes().all(is_letter);
        if is_name { Ok(Self(text.to_ascii_lowercase())) } else { Err("is not 1 to 64 of a-z 0-9 . _ @ + -") }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_differ_in_case_only_are_one() {
        assert_eq!(UserName::parse("Maria@Example.org"), UserName::parse("maria@example.org"));
        for wrong in ["", "a b", "maría", "a\n", "a/b", &"x".repeat(65)] {
            assert!(UserName::parse(wrong).is_err(), "{wrong:?} was taken");
        }
    }
}
