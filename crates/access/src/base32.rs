//! Crockford's base 32 in lower case, without padding: text that can be read aloud, selected by a double click and put
//! into a URL.
//!
//! Each sequence of bytes has exactly one text, and [`decode`] refuses all others. [`typed`] normalises what a person
//! typed.

const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const BITS: u32 = 5;

/// The length of the text that [`encode`] makes of this number of bytes.
pub(crate) const fn text_length(bytes: usize) -> usize {
    (bytes * 8).div_ceil(BITS as usize)
}

pub(crate) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(text_length(bytes.len()));
    let (mut pending, mut pending_bits) = (0_u32, 0);
    for byte in bytes {
        pending = pending << 8 | u32::from(*byte);
        pending_bits += 8;
        while pending_bits >= BITS {
            pending_bits -= BITS;
            text.push(letter(pending >> pending_bits));
        }
        pending &= (1 << pending_bits) - 1;
    }
    if pending_bits > 0 {
        text.push(letter(pending << (BITS - pending_bits)));
    }
    text
}

fn letter(value: u32) -> char {
    char::from(LETTERS[(value & 31) as usize])
}

/// The bytes of a text that [`encode`] made of `N` bytes; `None` for any other text.
pub(crate) fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != text_length(N) {
        return None;
    }
    let (mut pending, mut pending_bits) = (0_u32, 0);
    let mut bytes = [0; N];
    let mut filled = 0;
    for letter in text.bytes() {
        let value = LETTERS.iter().position(|known| *known == letter)?;
        pending = pending << BITS | u32::try_from(value).expect("there are 32 letters");
        pending_bits += BITS;
        if pending_bits >= 8 {
            pending_bits -= 8;
            bytes[filled] = u8::try_from(pending >> pending_bits).expect("the bits above were taken before");
            filled += 1;
            pending &= (1 << pending_bits) - 1;
        }
    }
    // The bits that fill up the last letter are zero: else two texts would mean the same.
    (pending == 0).then_some(bytes)
}

/// What a person meant who copied a text by hand: any case, blanks and dashes anywhere, and look-alikes.
pub(crate) fn typed(text: &str) -> String {
    text.chars()
        .filter(|letter| !letter.is_whitespace() && *letter != '-')
        .map(|letter| match letter.to_ascii_lowercase() {
            'o' => '0',
            'i' | 'l' => '1',
            other => other,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_text_that_no_bytes_have_is_refused() {
        assert_eq!(decode::<1>(&encode(&[0xff])), Some([0xff]));
        for wrong in ["", "z", "zzz", "zz", "ZW", "z-", "zé", "iw", "uw"] {
            assert_eq!(decode::<1>(wrong), None, "{wrong:?} was taken");
        }
    }

    #[test]
    fn typing_slips_are_forgiven_where_they_are_asked_for() {
        assert_eq!(typed(" OIl0-Ab\tC "), "0110abc");
    }

    proptest! {
        #[test]
        fn bytes_come_back_from_their_text(bytes: [u8; 32], short: [u8; 5]) {
            prop_assert_eq!(decode::<32>(&encode(&bytes)), Some(bytes));
            prop_assert_eq!(decode::<5>(&encode(&short)), Some(short));
            prop_assert_eq!(encode(&bytes).len(), text_length(32));
        }

        #[test]
        fn every_text_that_is_taken_is_the_one_that_is_made(text in "[0-9a-z]{8}") {
            if let Some(bytes) = decode::<5>(&text) {
                prop_assert_eq!(encode(&bytes), text);
            }
        }
    }
}
