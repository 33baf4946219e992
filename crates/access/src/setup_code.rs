//! The one-time setup code: anyone who can read the log of a new installation may create its first user.

use std::time::Duration;

use parking::{AHEAD_MAX_MS, Timestamp};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::base32::{encode, typed};
use crate::{HASH_BYTES, Secret};

const RANDOM_BYTES: usize = 15;
const GROUP: usize = 6;

/// A code that holds for an hour, and once. `Debug` hides it.
#[derive(Debug, Clone)]
pub struct SetupCode {
    text: Secret,
    made: Timestamp,
    used: bool,
}

impl SetupCode {
    /// The random bytes that it is made of.
    pub const RANDOM_BYTES: usize = RANDOM_BYTES;
    /// How long it holds.
    pub const LIFETIME: Duration = Duration::from_hours(1);

    /// A new code. The bytes have to come from a generator that is fit for secrets.
    pub fn from_random(random: &[u8; RANDOM_BYTES], now: Timestamp) -> Self {
        Self { text: Secret::new(encode(random)), made: now, used: false }
    }

    /// The code as the log shows it, in groups: the one secret that a log is meant to hold.
    pub fn expose(&self) -> String {
        let groups: Vec<String> = self
            .text
            .expose()
            .as_bytes()
            .chunks(GROUP)
            .map(|group| String::from_utf8_lossy(group).into_owned())
            .collect();
        groups.join("-")
    }

    /// Takes the code as somebody typed it: in any case, with or without dashes. It is used up when it was right. How
    /// often one may try is left to [`Lockouts`](crate::Lockouts).
    pub fn take(&mut self, shown: &str, now: Timestamp) -> bool {
        // Comparing hashes leaks neither the length nor the first wrong letter through timing.
        let hash = |text: &str| -> [u8; HASH_BYTES] { Sha256::digest(text).into() };
        let is_right: bool = hash(&typed(shown)).ct_eq(&hash(self.text.expose())).into();
        let lifetime_ms = i64::try_from(Self::LIFETIME.as_millis()).expect("an hour is short");
        let holds = (-AHEAD_MAX_MS..lifetime_ms).contains(&now.millis_since(self.made));
        let is_taken = is_right && !self.used && holds;
        self.used |= is_taken;
        is_taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn code() -> SetupCode {
        SetupCode::from_random(&[0xa7; RANDOM_BYTES], NOW)
    }

    #[test]
    fn a_code_is_taken_once_however_it_is_typed() {
        let shown = code().expose();
        assert_eq!(shown.len(), 27, "four groups of six: {shown}");
        for typed in [shown.clone(), shown.to_uppercase(), shown.replace('-', " "), format!(" {shown}\n")] {
            let mut code = code();
            assert!(code.take(&typed, NOW), "{typed:?}");
            assert!(!code.take(&typed, NOW), "a code holds once");
        }
    }

    #[test]
    fn a_wrong_or_old_code_is_not_taken() {
        for wrong in ["", "-", &code().expose()[1..], &format!("{}0", code().expose())] {
            assert!(!code().take(wrong, NOW), "{wrong:?} was taken");
        }
        assert!(code().take(&code().expose(), NOW.plus_millis(3_599_999)));
        assert!(!code().take(&code().expose(), NOW.plus_millis(3_600_000)));
        assert!(!code().take(&code().expose(), NOW.plus_millis(-3_600_000)), "it was made while the clock was ahead");
    }

    #[test]
    fn a_code_shows_itself_only_when_asked() {
        assert_eq!(format!("{:?}", code().text), "***");
    }
}
