//! What a command tells a person on standard error while it works: a bar on a terminal, and single lines anywhere.
//!
//! Standard output is left to what the command gives; the log is `service_kit`'s.

use std::io::Write as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use parking::printable;

const TICK: Duration = Duration::from_millis(250);

/// How far the work is. It is drawn on a terminal only. Cheap to clone; all clones are the same.
#[derive(Debug, Clone)]
pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// Work that is measured in bytes, of which there are `total` when that is known.
    pub fn of_bytes(what: &'static str, total: Option<u64>) -> Self {
        let template = match total {
            Some(_) => "{prefix} {wide_bar} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left {msg}",
            None => "{spinner} {prefix} {bytes}, {bytes_per_sec} {msg}",
        };
        Self::drawn(what, total, template)
    }

    /// Work that is measured in things, of which nobody knows how many there are.
    pub fn of_things(what: &'static str) -> Self {
        Self::drawn(what, None, "{spinner} {prefix} {human_pos} {msg}")
    }

    /// Work that is only waited for.
    pub fn of_waiting(what: &'static str) -> Self {
        Self::drawn(what, None, "{spinner} {prefix} {elapsed} {msg}")
    }

    /// Work that is only counted; nothing is drawn.
    pub fn hidden() -> Self {
        Self { bar: ProgressBar::hidden() }
    }

    fn drawn(what: &'static str, total: Option<u64>, template: &str) -> Self {
        // Draws to standard error, and nothing at all when that is no terminal.
        let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_prefix(what);
        bar.enable_steady_tick(TICK);
        Self { bar }
    }

    /// So much more is done.
    pub fn advance(&self, by: u64) {
        self.bar.inc(by);
    }

    /// So much is done by now.
    pub fn set(&self, position: u64) {
        self.bar.set_position(position);
    }

    /// How much is done.
    pub fn position(&self) -> u64 {
        self.bar.position()
    }

    /// What is done just now.
    pub fn show(&self, what: impl Into<String>) {
        self.bar.set_message(printable::one_line(&what.into()).into_owned());
    }

    /// Writes a line to standard error, above the bar.
    pub fn say(&self, line: &str) {
        self.bar.suspend(|| {
            if let Err(error) = writeln!(std::io::stderr().lock(), "{}", printable::lines(line)) {
                tracing::debug!(%error, "nobody reads standard error");
            }
        });
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// `1234567` as `1,234,567`.
pub(crate) fn grouped(number: u64) -> String {
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

/// `1 line`, `1,234 lines`.
pub(crate) fn counted(number: u64, thing: &str) -> String {
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
