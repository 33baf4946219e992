//! A duration in seconds, as a JSON number.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A duration in seconds with at most three decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seconds {
    /// The duration, milliseconds.
    pub millis: i64,
}

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.millis < 0 { "-" } else { "" };
        let (seconds, millis) = (self.millis.unsigned_abs() / 1_000, self.millis.unsigned_abs() % 1_000);
        match millis {
            0 => write!(f, "{sign}{seconds}"),
            _ => f.write_str(format!("{sign}{seconds}.{millis:03}").trim_end_matches('0')),
        }
    }
}

impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.millis % 1_000 == 0 {
            return serializer.serialize_i64(self.millis / 1_000);
        }
        #[expect(clippy::cast_precision_loss, reason = "2^52 ms are longer than the range of a timestamp")]
        serializer.serialize_f64(self.millis as f64 / 1_000.0)
    }
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let millis = (f64::deserialize(deserializer)? * 1_000.0).round();
        #[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
        if millis.abs() < 9.0e15 {
            Ok(Self { millis: millis as i64 })
        } else {
            Err(de::Error::custom("the number of seconds is out of range"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_at_most_three_decimals_in_text_and_json_and_is_read_back() {
        for (millis, text) in [
            (0, "0"),
            (90_000_000, "90000"),
            (6_431_875, "6431.875"),
            (1_500, "1.5"),
            (10, "0.01"),
            (1, "0.001"),
            (253_402_300_799_999, "253402300799.999"),
            (-1_250, "-1.25"),
        ] {
            let seconds = Seconds { millis };
            assert_eq!(seconds.to_string(), text);
            assert_eq!(serde_json::to_string(&seconds).unwrap(), text);
            assert_eq!(serde_json::from_str::<Seconds>(text).unwrap(), seconds);
        }
    }
}
