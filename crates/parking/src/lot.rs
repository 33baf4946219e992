//! The names of lots and gates: 1 to 64 of `[A-Za-z0-9._-]`.

use std::fmt;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(CompactString);

        impl $name {
            /// Takes a name of 1 to 64 of `[A-Za-z0-9._-]`.
            ///
            /// # Errors
            /// What is wrong with it, as the end of a sentence.
            pub fn parse(text: &str) -> Result<Self, &'static str> {
                if is_name(text.as_bytes()) { Ok(Self(text.into())) } else { Err("is not 1 to 64 of A-Z a-z 0-9 . _ -") }
            }

            /// Takes a text that [`is_name`] has taken.
            pub(crate) fn of_name(name: &str) -> Self {
                Self(name.into())
            }

            /// The name.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name_type! {
    /// The name of a lot.
    LotId
}
name_type! {
    /// The name of a gate. It never changes a session.
    GateId
}

impl LotId {
    /// The lot of events that name none.
    pub const MAIN: &str = "main";
}

impl Default for LotId {
    /// `main`, the lot of events that name none.
    fn default() -> Self {
        Self(CompactString::const_new(Self::MAIN))
    }
}

/// Whether the text is 1 to 64 of `[A-Za-z0-9._-]`.
#[inline]
pub(crate) fn is_name(text: &[u8]) -> bool {
    // Without a branch for each byte: nearly all texts are names.
    (1..=64).contains(&text.len()) && text.iter().fold(true, |so_far, byte| so_far & IN_NAME[usize::from(*byte)])
}

const IN_NAME: [bool; 256] = {
    let mut in_name = [false; 256];
    let mut byte: u8 = 0;
    while byte < 128 {
        in_name[byte as usize] = byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        byte += 1;
    }
    in_name
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lot_has_a_short_plain_name() {
        assert_eq!(LotId::parse("P3").map(|lot| lot.to_string()), Ok("P3".into()));
        assert!(LotId::parse(&"x".repeat(64)).is_ok());
        for name in ["", " ", "a b", "ä", "a/b", "a{b}", &"x".repeat(65)] {
            assert!(LotId::parse(name).is_err(), "{name:?} was taken");
        }
    }
}
