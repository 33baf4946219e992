//! Passwords of people, kept as Argon2id hashes in the PHC string form.
//!
//! Hashing takes about a tenth of a second of CPU time and 19 MiB. It runs on the caller's thread, and the caller has
//! to limit how many run at once: otherwise a flood of sign-ins would take all memory.

use std::fmt;

use argon2::password_hash::phc;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use unicode_normalization::UnicodeNormalization;

use crate::{Secret, UserName};

/// The fewest characters of a password.
const CHARACTERS_MIN: usize = 12;
/// The most bytes of a password: room for a long phrase in any script.
const BYTES_MAX: usize = 256;
/// The fewest different characters: `aaaaaaaaaaaa` and `121212121212` are no passwords.
const DIFFERENT_MIN: usize = 5;
/// Runs of keys and digits that a password may not consist of.
const RUNS: [&str; 4] =
    ["01234567890123456789", "abcdefghijklmnopqrstuvwxyz", "qwertyuiopasdfghjklzxcvbnm", "passwordpassword"];

/// Memory of one hash, KiB; with [`ITERATIONS`] and [`LANES`] the setting that OWASP recommends.
const MEMORY_KIB: u32 = 19 * 1_024;
const ITERATIONS: u32 = 2;
const LANES: u32 = 1;
/// The most that a stored hash may ask for: a changed record must not take all memory or time.
const MEMORY_KIB_MAX: u32 = 256 * 1_024;
const ITERATIONS_MAX: u32 = 16;
const LANES_MAX: u32 = 4;

/// A password in the form that is hashed (Unicode NFC, so that every keyboard gives the same). `Debug` hides it.
#[derive(Debug, Clone)]
pub struct Password(Secret);

/// Why a new password was refused. The text says nothing of the password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordFault {
    /// It can be guessed.
    #[error("has fewer than 12 characters; a phrase of four words is easy to remember")]
    Short,
    /// It would take too long to hash.
    #[error("has more than 256 bytes")]
    Long,
    /// It can be guessed.
    #[error("is made of fewer than 5 different characters")]
    Monotonous,
    /// It can be guessed.
    #[error("is one of the first passwords that others would try")]
    Common,
    /// It can be guessed.
    #[error("contains the user's name")]
    NamesUser,
}

impl Password {
    /// A new password of a user.
    ///
    /// # Errors
    /// Why it is too weak, as the end of a sentence.
    pub fn chosen(text: &str, user: &UserName) -> Result<Self, PasswordFault> {
        if text.len() > BYTES_MAX {
            return Err(PasswordFault::Long);
        }
        let text: String = text.nfc().collect();
        if text.chars().count() < CHARACTERS_MIN {
            return Err(PasswordFault::Short);
        }
        let mut different: Vec<char> = text.chars().collect();
        different.sort_unstable();
        different.dedup();
        if different.len() < DIFFERENT_MIN {
            return Err(PasswordFault::Monotonous);
        }
        let lower = text.to_lowercase();
        if RUNS.iter().any(|run| run.contains(&*lower)) {
            return Err(PasswordFault::Common);
        }
        if user.as_str().len() > 2 && lower.contains(user.as_str()) {
            return Err(PasswordFault::NamesUser);
        }
        Ok(Self(Secret::new(text)))
    }

    /// A password that somebody signs in with: of any strength, as the rules may have been others when it was chosen.
    /// None when it is too long to be anybody's.
    pub fn typed(text: &str) -> Option<Self> {
        (text.len() <= BYTES_MAX).then(|| Self(Secret::new(text.nfc().collect::<String>())))
    }

    fn bytes(&self) -> &[u8] {
        self.0.expose().as_bytes()
    }
}

/// A stored password: `$argon2id$v=19$m=19456,t=2,p=1$salt$hash`. `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(phc::PasswordHash);

/// A stored text that is no Argon2id hash of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not an Argon2id hash with at most 256 MiB, 16 iterations and 4 lanes")]
pub struct UnreadableHash;

impl PasswordHash {
    /// The random bytes of a salt.
    pub const SALT_BYTES: usize = 16;

    /// Hashes a password. The salt has to be random.
    pub fn new(password: &Password, salt: &[u8; Self::SALT_BYTES]) -> Self {
        let hash = hasher().hash_password_with_salt(password.bytes(), salt);
        Self(hash.expect("salt and parameters are of lengths that Argon2 takes, and a password is short"))
    }

    /// Reads a stored hash.
    ///
    /// # Errors
    /// That it is none, or asks for too much.
    pub fn parse(text: &str) -> Result<Self, UnreadableHash> {
        let hash = phc::PasswordHash::new(text).map_err(|_| UnreadableHash)?;
        let params = Params::try_from(&hash).map_err(|_| UnreadableHash)?;
        let is_fit =
            params.m_cost() <= MEMORY_KIB_MAX && params.t_cost() <= ITERATIONS_MAX && params.p_cost() <= LANES_MAX;
        let is_whole = hash.salt.is_some() && hash.hash.is_some();
        if is_fit && is_whole && hash.algorithm == Algorithm::Argon2id.ident() {
            Ok(Self(hash))
        } else {
            Err(UnreadableHash)
        }
    }

    /// The text to store.
    pub fn to_text(&self) -> String {
        self.0.to_string()
    }

    /// Whether it was made with less work than a new one: then the next sign-in should replace it.
    pub fn is_outdated(&self) -> bool {
        Params::try_from(&self.0).is_ok_and(|params| params.m_cost() < MEMORY_KIB || params.t_cost() < ITERATIONS)
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PasswordHash(***)")
    }
}

/// Whether the password is the one that is stored. Without a stored one it works just as long and says no, so that the
/// time does not tell which users there are.
pub fn verify_password(stored: Option<&PasswordHash>, typed: &Password) -> bool {
    if let Some(PasswordHash(stored)) = stored {
        return hasher().verify_password(typed.bytes(), stored).is_ok();
    }
    std::hint::black_box(PasswordHash::new(typed, &[0; PasswordHash::SALT_BYTES]));
    false
}

fn hasher() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, ITERATIONS, LANES, None).expect("these are within what Argon2 takes");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SALT: [u8; 16] = [3; 16];

    fn chosen(text: &str) -> Result<Password, PasswordFault> {
        Password::chosen(text, &UserName::parse("maria").unwrap())
    }

    #[test]
    fn only_the_password_itself_is_verified() {
        let stored = PasswordHash::new(&chosen("four words in a row").unwrap(), &SALT);
        let verify = |text: &str| verify_password(Some(&stored), &Password::typed(text).unwrap());
        assert!(verify("four words in a row"));
        assert!(!verify("four words in a roW") && !verify("") && !verify("four words in a row "));
        assert!(!verify_password(None, &Password::typed("four words in a row").unwrap()));
    }

    #[test]
    fn a_password_is_the_same_from_every_keyboard() {
        let stored = PasswordHash::new(&chosen("caf\u{e9} au lait noir").unwrap(), &SALT);
        assert!(verify_password(Some(&stored), &Password::typed("cafe\u{301} au lait noir").unwrap()));
    }

    #[test]
    fn a_hash_comes_back_from_its_text_and_names_its_work() {
        let stored = PasswordHash::new(&chosen("four words in a row").unwrap(), &SALT);
        assert!(stored.to_text().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "the form stays");
        assert_eq!(PasswordHash::parse(&stored.to_text()), Ok(stored.clone()));
        assert!(!stored.is_outdated());
        let weaker = stored.to_text().replace("m=19456", "m=9728");
        assert!(PasswordHash::parse(&weaker).unwrap().is_outdated());
    }

    #[test]
    fn a_stored_hash_may_not_ask_for_all_memory_or_time() {
        let stored = PasswordHash::new(&chosen("four words in a row").unwrap(), &SALT).to_text();
        for (part, greedy) in [("m=19456", "m=4194304"), ("t=2", "t=4000000"), ("p=1", "p=64"), ("argon2id", "argon2d")]
        {
            assert_eq!(PasswordHash::parse(&stored.replace(part, greedy)), Err(UnreadableHash), "{greedy}");
        }
        for wrong in ["", "secret", "$argon2id$v=19$m=19456,t=2,p=1", "$2b$12$abcdefghijklmnopqrstuv"] {
            assert_eq!(PasswordHash::parse(wrong), Err(UnreadableHash), "{wrong}");
        }
    }

    #[test]
    fn a_password_that_others_would_try_first_is_refused() {
        for (text, fault) in [
            ("elevenchars", PasswordFault::Short),
            (&*"four words ".repeat(30), PasswordFault::Long),
            ("abababababab", PasswordFault::Monotonous),
            ("123456789012", PasswordFault::Common),
            ("Qwertyuiopas", PasswordFault::Common),
            ("passwordpassword", PasswordFault::Common),
            ("my name is Maria", PasswordFault::NamesUser),
        ] {
            assert_eq!(chosen(text).err(), Some(fault), "{text}");
        }
        assert!(chosen("four words in a row").is_ok());
        assert!(Password::typed(&"x".repeat(257)).is_none());
    }

    #[test]
    fn neither_password_nor_hash_shows_itself() {
        let password = chosen("four words in a row").unwrap();
        let shown = format!("{password:?} {:?}", PasswordHash::new(&password, &SALT));
        assert_eq!(shown, "Password(***) PasswordHash(***)");
    }
}
