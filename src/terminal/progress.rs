//! The progress of a command on standard error: a bar on a terminal, and single lines anywhere.
//!
//! Standard output is for the result of the command; `service_kit` writes the log.

use std::io::Write as _;
use std::time::Duration;

use event_files::Observer;
use indicatif::{ProgressBar, ProgressStyle};
use parking::printable;

const REDRAW_INTERVAL: Duration = Duration::from_millis(250);

/// The progress of some work, drawn on a terminal only. Cheap to clone; all clones share the bar.
#[derive(Debug, Clone)]
pub(crate) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// Work measured in bytes, `total` of them if known.
    pub(crate) fn of_bytes(what: &'static str, total: Option<u64>) -> Self {
        let template = match total {
            Some(_) => "{prefix} {wide_bar} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left {msg}",
            None => "{spinner} {prefix} {bytes}, {bytes_per_sec} {msg}",
        };
        Self::drawn(what, total, template)
    }

    /// Work measured in items of an unknown number.
    pub(crate) fn of_things(what: &'static str) -> Self {
        Self::drawn(what, None, "{spinner} {prefix} {human_pos} {msg}")
    }

    /// Work without a measure.
    pub(crate) fn of_waiting(what: &'static str) -> Self {
        Self::drawn(what, None, "{spinner} {prefix} {elapsed} {msg}")
    }

    /// Work that is only counted; nothing is drawn.
    #[cfg(test)]
    pub(crate) fn hidden() -> Self {
        Self { bar: ProgressBar::hidden() }
    }

    /// The amount done so far.
    #[cfg(test)]
    pub(crate) fn position(&self) -> u64 {
        self.bar.position()
    }

    fn drawn(what: &'static str, total: Option<u64>, template: &str) -> Self {
        // Draws to standard error, and nothing if that is not a terminal.
        let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_prefix(what);
        bar.enable_steady_tick(REDRAW_INTERVAL);
        Self { bar }
    }

    /// Adds to the amount done.
    pub(crate) fn advance(&self, by: u64) {
        self.bar.inc(by);
    }

    /// Sets the amount done.
    pub(crate) fn set(&self, position: u64) {
        self.bar.set_position(position);
    }

    /// Sets the current activity.
    pub(crate) fn show(&self, what: impl Into<String>) {
        self.bar.set_message(printable::one_line(&what.into()).into_owned());
    }

    /// Writes a line to standard error, above the bar.
    pub(crate) fn say(&self, line: &str) {
        self.bar.suspend(|| {
            if let Err(error) = writeln!(std::io::stderr().lock(), "{}", printable::lines(line)) {
                tracing::debug!(%error, "standard error is closed");
            }
        });
    }

    /// Removes the bar.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Observer for Progress {
    fn advance(&self, bytes: u64) {
        self.bar.inc(bytes);
    }

    fn show(&self, step: &str) {
        self.show(step);
    }

    fn say(&self, line: &str) {
        self.say(line);
    }
}
