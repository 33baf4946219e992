//! Numbers and lengths of time as people read them.
//!
//! Lengths of time as a setting writes them are [`exact_duration`](crate::exact_duration)'s; text from outside is made
//! safe to show by [`printable`](crate::printable).

/// The units of a length of time, days first: without and with room before them.
const COMPACT_UNITS: [&str; 4] = ["d", "h", "m", "s"];
const SPACED_UNITS: [&str; 4] = [" d", " h", " min", " s"];

/// A length of time in its two largest units, for a log or a terminal: `850ms`, `45s`, `1h47m`, `25h`, `3d4h`. Hours go
/// up to two days, as car parks count. The unit below is cut off, not rounded.
pub fn human_duration(millis: i64) -> String {
    let sign = if millis < 0 { "-" } else { "" };
    match millis.unsigned_abs() {
        total_ms @ 1..1_000 => format!("{sign}{total_ms}ms"),
        total_ms => format!("{sign}{}", in_two_units(total_ms, COMPACT_UNITS, "")),
    }
}

/// Like [`human_duration`], for running text: `45 s`, `1 h 47 min`, `3 d 4 h`; less than a second is `0 s`.
pub fn spaced_duration(millis: i64) -> String {
    let sign = if millis < 0 { "−" } else { "" };
    format!("{sign}{}", in_two_units(millis.unsigned_abs(), SPACED_UNITS, " "))
}

fn in_two_units(total_ms: u64, [day, hour, minute, second]: [&str; 4], gap: &str) -> String {
    let two = |large: u64, large_unit: &str, small: u64, small_unit: &str| match small {
        0 => format!("{large}{large_unit}"),
        _ => format!("{large}{large_unit}{gap}{small}{small_unit}"),
    };
    let (seconds, minutes, hours) = (total_ms / 1_000, total_ms / 60_000, total_ms / 3_600_000);
    match () {
        () if minutes == 0 => format!("{seconds}{second}"),
        () if hours == 0 => two(minutes, minute, seconds % 60, second),
        () if hours < 48 => two(hours, hour, minutes % 60, minute),
        () => two(hours / 24, day, hours % 24, hour),
    }
}

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

    #[test]
    fn durations_read_as_people_say_them() {
        const MINUTE: i64 = 60_000;
        const HOUR: i64 = 60 * MINUTE;
        let cases = [
            (0, "0s"),
            (850, "850ms"),
            (45_999, "45s"),
            (90_000, "1m30s"),
            (HOUR + 47 * MINUTE + 12_000, "1h47m"),
            (25 * HOUR, "25h"),
            (47 * HOUR + MINUTE, "47h1m"),
            (76 * HOUR, "3d4h"),
            (30 * 24 * HOUR, "30d"),
            (-5_000, "-5s"),
        ];
        for (millis, text) in cases {
            assert_eq!(human_duration(millis), text);
        }
        assert!(human_duration(i64::MIN).starts_with('-'));
    }

    #[test]
    fn lengths_of_time_in_running_text_have_room_before_their_units() {
        const MINUTE: i64 = 60_000;
        let told = [0, 59_999, MINUTE, MINUTE + 5_000, 107 * MINUTE, 25 * 60 * MINUTE, 51 * 60 * MINUTE, -MINUTE];
        assert_eq!(
            told.map(spaced_duration),
            ["0 s", "59 s", "1 min", "1 min 5 s", "1 h 47 min", "25 h", "2 d 3 h", "−1 min"]
        );
    }
}
