//! Tokens of machines: the text that is shown once, and the hash that is stored.
//!
//! `dwell_` + 8 letters of public id + `_` + 52 letters of secret + 8 letters of checksum, in base 32. The checksum
//! tells a mistyped or truncated token from an unknown one without a look-up, and gives secret scanners certainty.
//! The secret has 256 random bits, so a plain SHA-256 keeps it: there is nothing to guess.

use std::fmt;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::base32::{decode, encode, text_length};
use crate::{HASH_BYTES, Secret};

const ID_BYTES: usize = 5;
const SECRET_BYTES: usize = 32;
const CHECKSUM_BYTES: usize = 5;

/// The public part of a token: it finds the stored hash, and names the token in lists and in the audit log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenId([u8; ID_BYTES]);

impl TokenId {
    /// Reads the eight letters.
    ///
    /// # Errors
    /// What is wrong with them, as the end of a sentence.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        decode(text).map(Self).ok_or("is not a token's id of 8 letters and digits, such as k3v9x2ma")
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&encode(&self.0))
    }
}

/// A whole token, as its holder has it.
#[derive(Debug, Clone)]
pub struct Token {
    id: TokenId,
    text: Secret,
}

/// Why a text is no token. It says nothing of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    /// It is something else.
    #[error("is not a token of Dwell, which begins with dwell_")]
    Prefix,
    /// A part is missing, or something was added.
    #[error("is not a whole token, which has 75 characters")]
    Length,
    /// A letter is wrong.
    #[error("has been changed on its way: the checksum at its end does not fit")]
    Checksum,
}

impl Token {
    /// What every token begins with.
    pub const PREFIX: &str = "dwell_";
    /// The random bytes that a token is made of.
    pub const RANDOM_BYTES: usize = ID_BYTES + SECRET_BYTES;
    /// The length of every token, bytes.
    pub const LENGTH: usize =
        Self::PREFIX.len() + text_length(ID_BYTES) + 1 + text_length(SECRET_BYTES) + text_length(CHECKSUM_BYTES);

    /// A new token. The bytes have to come from a generator that is fit for secrets.
    pub fn from_random(random: &[u8; Self::RANDOM_BYTES]) -> Self {
        let (id, secret) = random.split_first_chunk().expect("the id is the shorter part");
        let body = format!("{}{}_{}", Self::PREFIX, encode(id), encode(secret));
        let text = format!("{body}{}", checksum(&body));
        Self { id: TokenId(*id), text: Secret::new(text) }
    }

    /// Reads a token as its holder shows it.
    ///
    /// # Errors
    /// What is wrong with it, as the end of a sentence.
    pub fn parse(text: &str) -> Result<Self, TokenFault> {
        let rest = text.strip_prefix(Self::PREFIX).ok_or(TokenFault::Prefix)?;
        if text.len() != Self::LENGTH {
            return Err(TokenFault::Length);
        }
        let (body, sum) =
            text.split_at_checked(text.len() - text_length(CHECKSUM_BYTES)).ok_or(TokenFault::Checksum)?;
        if sum != checksum(body) {
            return Err(TokenFault::Checksum);
        }
        let id = rest.split('_').next().and_then(decode).ok_or(TokenFault::Checksum)?;
        Ok(Self { id: TokenId(id), text: Secret::new(text) })
    }

    /// Its public part.
    pub const fn id(&self) -> TokenId {
        self.id
    }

    /// What is stored of it.
    pub fn hash(&self) -> TokenHash {
        TokenHash::of(self.text.expose())
    }

    /// The text: for its holder, once.
    pub fn expose(&self) -> &str {
        self.text.expose()
    }
}

fn checksum(body: &str) -> String {
    encode(&Sha256::digest(body)[..CHECKSUM_BYTES])
}

/// The SHA-256 of a token's text. Comparing two takes equally long whether or not they are equal.
#[derive(Clone, Copy)]
pub struct TokenHash([u8; HASH_BYTES]);

impl TokenHash {
    /// What a hash as text begins with.
    pub const PREFIX: &str = "sha256:";

    /// The hash of a token's text, or of a secret that was agreed on otherwise.
    pub fn of(text: &str) -> Self {
        Self(Sha256::digest(text).into())
    }

    /// The stored bytes.
    pub const fn from_bytes(bytes: [u8; HASH_BYTES]) -> Self {
        Self(bytes)
    }

    /// The bytes to store.
    pub const fn as_bytes(&self) -> &[u8; HASH_BYTES] {
        &self.0
    }

    /// Reads `sha256:` and 64 hexadecimal digits: the form in which `sha256sum` writes them.
    ///
    /// # Errors
    /// What is wrong with the text, as the end of a sentence. It says nothing of the text.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const FORM: &str = "is not sha256: and 64 hexadecimal digits";
        if text.starts_with(Token::PREFIX) {
            return Err("is a token itself, where its hash belongs; revoke it if others may have seen this file");
        }
        let digits = text.strip_prefix(Self::PREFIX).ok_or(FORM)?;
        let (pairs, []) = digits.as_bytes().as_chunks::<2>() else { return Err(FORM) };
        let mut bytes = [0; HASH_BYTES];
        if pairs.len() != bytes.len() {
            return Err(FORM);
        }
        for (byte, pair) in bytes.iter_mut().zip(pairs) {
            let [high, low] = pair.map(|digit| char::from(digit).to_digit(16));
            let value = high.zip(low).map(|(high, low)| high << 4 | low).ok_or(FORM)?;
            *byte = u8::try_from(value).expect("two hexadecimal digits are one byte");
        }
        Ok(Self(bytes))
    }

    /// The text that [`parse`](Self::parse) reads.
    pub fn to_text(self) -> String {
        use std::fmt::Write as _;
        self.0.iter().fold(Self::PREFIX.to_owned(), |mut text, byte| {
            write!(text, "{byte:02x}").expect("a string takes all that is written");
            text
        })
    }
}

impl PartialEq for TokenHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for TokenHash {}

impl fmt::Debug for TokenHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TokenHash(***)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn token(random: u8) -> Token {
        Token::from_random(&[random; Token::RANDOM_BYTES])
    }

    #[test]
    fn a_token_comes_back_from_its_text() {
        let made = token(0xab);
        let read = Token::parse(made.expose()).unwrap();
        assert_eq!((read.id(), read.hash()), (made.id(), made.hash()));
        assert_eq!(made.expose().len(), Token::LENGTH);
        assert_eq!(Token::LENGTH, 75, "the error about the length contains it");
        assert_eq!(TokenId::parse(&made.id().to_string()), Ok(made.id()));
    }

    #[test]
    fn the_form_of_tokens_stays() {
        let text = "dwell_00000000_0000000000000000000000000000000000000000000000000000";
        assert_eq!(token(0).expose(), format!("{text}{}", checksum(text)));
        assert_eq!(TokenHash::of("abc").to_text(), SHA256_OF_ABC);
    }

    const SHA256_OF_ABC: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn a_text_that_is_no_token_is_refused_by_what_is_wrong_with_it() {
        let whole = token(7).expose().to_owned();
        assert_eq!(Token::parse("").unwrap_err(), TokenFault::Prefix);
        assert_eq!(Token::parse("0123456789abcdef").unwrap_err(), TokenFault::Prefix);
        assert_eq!(Token::parse(&whole[..70]).unwrap_err(), TokenFault::Length);
        assert_eq!(Token::parse(&format!("{whole} ")).unwrap_err(), TokenFault::Length);
        assert_eq!(Token::parse(&whole.to_uppercase()).unwrap_err(), TokenFault::Prefix);
        // Of the right length in bytes, with a letter of two bytes at the border of the checksum.
        let cut = format!("{}é{}", &whole[..Token::LENGTH - 9], &whole[Token::LENGTH - 7..]);
        assert_eq!(Token::parse(&cut).unwrap_err(), TokenFault::Checksum);
    }

    #[test]
    fn neither_token_nor_hash_shows_itself() {
        let shown = format!("{:?} {:?} {:?}", token(9), token(9).hash(), Token::parse("dwell_no-secret"));
        assert!(!shown.contains(&token(9).expose()[15..]), "{shown}");
        assert!(!shown.contains("no-secret"), "{shown}");
        assert!(shown.contains("TokenHash(***)"), "{shown}");
    }

    #[test]
    fn a_hash_comes_back_from_its_text_and_a_token_in_its_place_is_told_apart() {
        let hash = token(3).hash();
        assert_eq!(TokenHash::parse(&hash.to_text()), Ok(hash));
        assert!(TokenHash::parse(token(3).expose()).unwrap_err().contains("revoke"));
        for wrong in ["", "sha256:", "sha256:00", &SHA256_OF_ABC[7..], &SHA256_OF_ABC.replace("ad", "gg")] {
            assert!(TokenHash::parse(wrong).is_err(), "{wrong} was taken");
        }
    }

    proptest! {
        #[test]
        fn one_wrong_letter_is_found(random: [u8; 5], at in 6_usize..75, letter in "[0-9a-z_]") {
            let mut bytes = [0x5a; Token::RANDOM_BYTES];
            bytes[..5].copy_from_slice(&random);
            let whole = Token::from_random(&bytes).expose().to_owned();
            prop_assume!(whole[at..=at] != letter);
            let changed = format!("{}{letter}{}", &whole[..at], &whole[at + 1..]);
            prop_assert_eq!(Token::parse(&changed).unwrap_err(), TokenFault::Checksum);
        }
    }
}
