//! Numbers as people read them.
//!
//! Lengths of time as a setting writes them are [`exact_duration`](crate::exact_duration)'s; text from outside is made
//! safe to show by [`printable`](crate::printable).

/// A number with its thousands apart: `1234567` as `1,234,567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of things: `1 line`, `1,234 lines`.
pub fn counted(number: u64, thing: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{} {thing}{ending}", grouped(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!([0, 999, 1_000, 545_626, 1_234_567].map(grouped), ["0", "999", "1,000", "545,626", "1,234,567"]);
        assert_eq!([counted(1, "line"), counted(2_000, "line")], ["1 line", "2,000 lines"]);
    }
}
