//! A cursor over the text of an object: reads one mark or value at a time.
//!
//! The parser checks the values and the object as a whole.

use super::super::{MEMBERS, Member, PLAIN_MEMBERS};
use super::{ID_BYTES, is_plain_text};

/// A value without quotes.
enum Bare<'a> {
    Number(&'a [u8]),
    Boolean,
    Null,
}

/// Reads without a branch on the member or the length of its value: the processor would mispredict it.
pub(super) struct Cursor<'a> {
    text: &'a [u8],
    end: usize,
    at: usize,
}

impl<'a> Cursor<'a> {
    /// A cursor at the start of the first `length` bytes of `text`.
    pub(super) fn new(text: &'a [u8], length: usize) -> Self {
        Self { text, end: length.min(text.len()), at: 0 }
    }

    /// The next byte that is not white space, without consuming it.
    #[inline]
    fn peek(&mut self) -> Option<u8> {
        while self.at < self.end {
            let byte = self.text[self.at];
            if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return Some(byte);
            }
            self.at += 1;
        }
        None
    }

    /// Takes the next byte that is no white space.
    #[inline]
    pub(super) fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    #[inline]
    pub(super) fn next_is(&mut self, expected: u8) -> Option<()> {
        (self.next()? == expected).then_some(())
    }

    /// Takes two bytes if they stand next, with no white space between them.
    #[inline]
    pub(super) fn takes(&mut self, both: [u8; 2]) -> bool {
        let is_next = self.window(self.at) == both;
        self.at += if is_next { both.len() } else { 0 };
        is_next
    }

    /// Takes a name behind its opening quote, with the closing one, when it is a plain member's: its place in [`MEMBERS`].
    #[inline]
    pub(super) fn member(&mut self) -> Option<usize> {
        let window = u128::from_le_bytes(self.window(self.at));
        let Name { text, mask, bytes, member } = NAMES[slot_of(window)];
        let is_member = window & mask == text;
        self.at += if is_member { bytes } else { 0 };
        is_member.then_some(member)
    }

    /// `BYTES` bytes from `place` on, zero-padded beyond the end of the text.
    #[inline]
    fn window<const BYTES: usize>(&self, place: usize) -> [u8; BYTES] {
        let rest = self.text.get(place..).unwrap_or(&[]);
        rest.first_chunk().copied().unwrap_or_else(|| padded_of(rest))
    }

    /// Takes what stands behind an opening quote, and the next quote after `unseen` bytes. Whether it has escapes or
    /// control characters, and a quote among the unseen, is left to be checked.
    #[inline]
    fn string(&mut self, unseen: usize) -> Option<&'a [u8]> {
        let start = self.at;
        let mut place = start + unseen;
        let mut quotes = quotes_of(self.window(place));
        while quotes == 0 {
            place += size_of::<u64>();
            if place >= self.end {
                return None;
            }
            quotes = quotes_of(self.window(place));
        }
        place += (quotes.trailing_zeros() / u8::BITS) as usize;
        self.at = place + 1;
        (place < self.end).then(|| &self.text[start..place])
    }

    /// The colon and the value of a member that is known; nothing for `null`.
    #[inline]
    pub(super) fn value_of(&mut self, member: usize) -> Option<&'a [u8]> {
        let is_number = member == Member::Confidence as usize;
        if self.begins_string()? {
            return self.string(CHECKED_BYTES[member]).filter(|value| !value.is_empty() && !is_number);
        }
        match self.bare_value()? {
            Bare::Null => Some(&[]),
            Bare::Number(number) => is_number.then_some(number),
            Bare::Boolean => None,
        }
    }

    /// Takes the colon, and the quote if a string follows.
    #[inline]
    fn begins_string(&mut self) -> Option<bool> {
        if self.takes(*b":\"") {
            return Some(true);
        }
        self.next_is(b':')?;
        let is_string = self.peek()? == b'"';
        self.at += usize::from(is_string);
        Some(is_string)
    }

    /// Takes a string behind its opening quote that has neither escapes nor control characters.
    pub(super) fn plain_string(&mut self) -> Option<&'a [u8]> {
        self.string(0).filter(|string| is_plain_text(string))
    }

    pub(super) fn skip_value(&mut self) -> Option<()> {
        if self.begins_string()? {
            return self.plain_string().map(|_| ());
        }
        self.bare_value().map(|_| ())
    }

    #[cold]
    fn bare_value(&mut self) -> Option<Bare<'a>> {
        let rest = &self.text[self.at..self.end];
        let (value, length) = match rest.first()? {
            b'n' if rest.starts_with(b"null") => (Bare::Null, 4),
            b't' if rest.starts_with(b"true") => (Bare::Boolean, 4),
            b'f' if rest.starts_with(b"false") => (Bare::Boolean, 5),
            b'-' | b'0'..=b'9' => {
                let length = length_of_number(rest)?;
                (Bare::Number(&rest[..length]), length)
            }
            _ => return None,
        };
        self.at += length;
        Some(value)
    }
}

/// The highest bit of each byte that is a quote. Only the lowest of the bits is to be relied on: a borrow may set
/// others above it.
#[inline]
const fn quotes_of(window: [u8; size_of::<u64>()]) -> u64 {
    const EACH: u64 = u64::MAX / 0xff;
    let others = u64::from_le_bytes(window) ^ (EACH * b'"' as u64);
    others.wrapping_sub(EACH) & !others & (EACH << 7)
}

/// The bytes up to the seconds of a time.
const TIME_BYTES: usize = 19;

/// For each member, the number of leading bytes of its value in which the value's own check rejects quotes, escapes and
/// control characters.
const CHECKED_BYTES: [usize; PLAIN_MEMBERS] = {
    let mut checked = [0; PLAIN_MEMBERS];
    checked[Member::Id as usize] = ID_BYTES;
    checked[Member::EntryDateTime as usize] = TIME_BYTES;
    checked[Member::ExitDateTime as usize] = TIME_BYTES;
    checked
};

/// The length of a number without an exponent at the beginning of `text`.
fn length_of_number(text: &[u8]) -> Option<usize> {
    let digits = |from: usize| text[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let sign = usize::from(text[0] == b'-');
    let whole = digits(sign);
    if whole == 0 || (whole > 1 && text[sign] == b'0') {
        return None;
    }
    let point = sign + whole;
    let end = match text.get(point) {
        Some(b'.') => point + 1 + Some(digits(point + 1)).filter(|fraction| *fraction > 0)?,
        _ => point,
    };
    (!matches!(text.get(end), Some(b'e' | b'E'))).then_some(end)
}

/// A member's name as it stands behind an opening quote.
#[derive(Clone, Copy)]
struct Name {
    /// The name and its closing quote, as a number.
    text: u128,
    /// The bits that count.
    mask: u128,
    bytes: usize,
    /// Its place in [`MEMBERS`].
    member: usize,
}

const SLOTS: usize = 32;

/// Where a name that begins like this stands in [`NAMES`], if it is there.
#[inline]
const fn slot_of(window: u128) -> usize {
    (window ^ (window >> u8::BITS)) as usize % SLOTS
}

/// The members by [`slot_of`] their names, which no two share.
const NAMES: [Name; SLOTS] = {
    // Nothing is equal to this one: no bit counts, and its text has one.
    let mut names = [Name { text: 1, mask: 0, bytes: 0, member: 0 }; SLOTS];
    let mut member = 0;
    while member < PLAIN_MEMBERS {
        let name = MEMBERS[member].as_bytes();
        let mut text = padded_of(name);
        text[name.len()] = b'"';
        let text = u128::from_le_bytes(text);
        let slot = slot_of(text);
        assert!(names[slot].mask == 0, "two members share a slot");
        let bytes = name.len() + 1;
        names[slot] = Name { text, mask: u128::MAX >> ((size_of::<u128>() - bytes) * 8), bytes, member };
        member += 1;
    }
    names
};

const fn padded_of<const BYTES: usize>(text: &[u8]) -> [u8; BYTES] {
    let mut padded = [0; BYTES];
    padded.split_at_mut(text.len()).0.copy_from_slice(text);
    padded
}
