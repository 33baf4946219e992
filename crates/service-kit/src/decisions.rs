//! The decision log: one line per decision, and above fifty lines a second one line a second with the counts.
//!
//! [`Pace`] is the pure core, with the time as an argument; [`DecisionLog`] is the shell around it. The caller passes
//! a closure that writes the line, so that an omitted line costs almost nothing.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use parking::Clock;
use parking::readable::human_duration;

use crate::Lifecycle;

/// The maximum of individual lines in one second.
const LINES_A_SECOND_MAX: u64 = 50;
const SECOND_MS: i64 = 1_000;

/// Logs decisions, at a rate that people can read and machines can store.
#[derive(Debug)]
pub struct DecisionLog {
    clock: Arc<dyn Clock>,
    pace: Mutex<Pace>,
}

impl DecisionLog {
    /// A decision log with the seconds of `clock`.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let pace = Mutex::new(Pace::starting_at(clock.now().as_millis()));
        Self { clock, pace }
    }

    /// Switches to counts until the next quiet second, for instance before many decisions about the past.
    pub fn expect_many(&self) {
        self.pace().counting = true;
    }

    /// Records one decision of a kind (`matched`, `held`, …). `line` writes the line if one is due, for instance by
    /// `tracing::info!(%lot, dwell = %readable::human_duration(dwell_ms), %exit_event, "session matched")`; the `%` avoids
    /// quotation marks in the text.
    pub fn decision(&self, kind: &'static str, line: impl FnOnce()) {
        let now_ms = self.clock.now().as_millis();
        let step = self.pace().decided(now_ms, kind);
        write_summary(step.summary);
        if step.line {
            line();
        }
    }

    /// Writes the counts of the last second, if any are due. [`run`](Self::run) calls this once a second.
    pub fn tick(&self) {
        let now_ms = self.clock.now().as_millis();
        let summary = self.pace().passed(now_ms);
        write_summary(summary);
    }

    /// Writes due counts once a second until the stop, and the rest when all other tasks have ended.
    pub async fn run(&self, lifecycle: &Lifecycle) {
        while !lifecycle.is_stopping() {
            tokio::select! {
                () = lifecycle.stopping() => {}
                () = tokio::time::sleep(Duration::from_millis(SECOND_MS.unsigned_abs())) => {}
            }
            self.tick();
        }
    }

    /// Writes the remaining counts, also of an unfinished second. For the end of a process.
    pub fn flush(&self) {
        let now_ms = self.clock.now().as_millis();
        let summary = self.pace().roll(now_ms);
        write_summary(summary);
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn write_summary(summary: Option<Summary>) {
    if let Some(summary) = summary {
        tracing::info!("{}", summary.text());
    }
}

/// The output after one decision.
#[derive(Debug, PartialEq, Eq)]
struct Step {
    /// The counts of the previous second, which come first.
    summary: Option<Summary>,
    /// Whether this decision has its own line.
    line: bool,
}

/// The counts of the decisions without a line.
#[derive(Debug, PartialEq, Eq)]
struct Summary {
    counts: Vec<(&'static str, u64)>,
    over_ms: i64,
}

impl Summary {
    fn text(&self) -> String {
        let mut text = "decisions".to_owned();
        for (kind, count) in &self.counts {
            write!(text, " {kind}={count}").expect("writing to a String cannot fail");
        }
        text + " in " + &human_duration(self.over_ms)
    }
}

/// Chooses between lines and counts, second by second: counts follow a busy second, lines a quiet one.
#[derive(Debug)]
struct Pace {
    began_ms: i64,
    counting: bool,
    decided: u64,
    /// The decisions without a line, by kind, in order of first appearance. There are few kinds, so a linear search
    /// is fast.
    unwritten: Vec<(&'static str, u64)>,
}

impl Pace {
    fn starting_at(now_ms: i64) -> Self {
        Self { began_ms: now_ms, counting: false, decided: 0, unwritten: Vec::new() }
    }

    fn decided(&mut self, now_ms: i64, kind: &'static str) -> Step {
        let summary = self.passed(now_ms);
        self.decided += 1;
        self.counting |= self.decided > LINES_A_SECOND_MAX;
        if self.counting {
            match self.unwritten.iter_mut().find(|(known, _)| *known == kind) {
                Some((_, count)) => *count += 1,
                None => self.unwritten.push((kind, 1)),
            }
        }
        Step { summary, line: !self.counting }
    }

    /// Ends the second if it is over. A clock that was set back also ends it; otherwise the log would be silent until
    /// the clock catches up.
    fn passed(&mut self, now_ms: i64) -> Option<Summary> {
        let passed_ms = now_ms.saturating_sub(self.began_ms);
        if (0..SECOND_MS).contains(&passed_ms) { None } else { self.roll(now_ms) }
    }

    fn roll(&mut self, now_ms: i64) -> Option<Summary> {
        let over_ms = now_ms.saturating_sub(self.began_ms).max(SECOND_MS);
        self.counting = self.decided > LINES_A_SECOND_MAX;
        self.decided = 0;
        self.began_ms = now_ms;
        let counts = std::mem::take(&mut self.unwritten);
        (!counts.is_empty()).then_some(Summary { counts, over_ms })
    }
}

#[cfg(test)]
mod tests {
    use parking::{ManualClock, Timestamp};

    use super::*;

    fn decide(pace: &mut Pace, now_ms: i64, kind: &'static str, times: u64) -> u64 {
        (0..times).filter(|_| pace.decided(now_ms, kind).line).count() as u64
    }

    #[test]
    fn fifty_decisions_in_a_second_are_fifty_lines() {
        let mut pace = Pace::starting_at(0);
        assert_eq!(decide(&mut pace, 999, "matched", 50), 50);
        assert_eq!(pace.passed(1_000), None);
    }

    #[test]
    fn above_fifty_the_rest_of_the_second_becomes_one_line() {
        let mut pace = Pace::starting_at(0);
        assert_eq!(decide(&mut pace, 10, "matched", 51), 50);
        assert_eq!(decide(&mut pace, 20, "held", 40), 0);

        let summary = pace.passed(1_000).unwrap();

        assert_eq!(summary.text(), "decisions matched=1 held=40 in 1s");
    }

    #[test]
    fn busy_second_after_a_busy_second_is_one_line() {
        let mut pace = Pace::starting_at(0);
        decide(&mut pace, 0, "matched", 800);

        let first_of_second = pace.decided(1_000, "matched");
        decide(&mut pace, 1_500, "matched", 799);

        let summary = |count| Summary { counts: vec![("matched", count)], over_ms: 1_000 };
        assert_eq!(first_of_second, Step { summary: Some(summary(750)), line: false });
        assert_eq!(pace.passed(2_000), Some(summary(800)));
    }

    #[test]
    fn quiet_second_brings_the_lines_back() {
        let mut pace = Pace::starting_at(0);
        decide(&mut pace, 0, "matched", 51);
        decide(&mut pace, 1_000, "matched", 3);

        assert_eq!(pace.passed(2_000), Some(Summary { counts: vec![("matched", 3)], over_ms: 1_000 }));
        assert_eq!(decide(&mut pace, 2_500, "matched", 1), 1);
    }

    #[test]
    fn many_that_are_expected_are_counted_from_the_first_on() {
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(0)));
        let log = DecisionLog::new(Arc::clone(&clock) as Arc<dyn Clock>);
        let mut lines = 0;

        log.expect_many();
        log.decision("matched", || lines += 1);
        clock.advance_millis(1_000);
        log.tick();
        log.decision("matched", || lines += 10);

        assert_eq!(lines, 10);
    }

    #[test]
    fn clock_that_was_set_back_does_not_silence_the_log() {
        let mut pace = Pace::starting_at(1_000_000);
        decide(&mut pace, 1_000_000, "matched", 60);
        assert!(pace.decided(0, "matched").summary.is_some());
    }

    #[test]
    fn decision_without_a_line_never_makes_one() {
        let log = DecisionLog::new(Arc::new(ManualClock::at(Timestamp::from_millis(0))));
        let mut lines = 0;
        for _ in 0..1_000 {
            log.decision("matched", || lines += 1);
        }
        assert_eq!(lines, 50);
        log.flush();
        assert_eq!(log.pace().unwritten, []);
    }
}
