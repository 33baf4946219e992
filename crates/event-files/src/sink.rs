//! The output of the format readers, and the counts of skipped input.
//!
//! Nothing is skipped silently: the counts are reported at the end.

use std::ops::ControlFlow;

use parking::readable::counted;
use parking::wire::{Dropped, ParsedEvent};

use super::{Error, Item, Observer, Refused, zeros};

/// The maximum of files without events that are named.
const NAMED_FILES_MAX: usize = 10;

/// Receives the items of a file, or of a part of it.
pub(super) struct Sink<F> {
    visit: F,
    pub(super) account: Account,
}

impl<F: FnMut(Item<'_>) -> ControlFlow<()>> Sink<F> {
    pub(super) fn new(visit: F) -> Self {
        Self { visit, account: Account::default() }
    }

    pub(super) fn event(&mut self, parsed: ParsedEvent, json: Option<&[u8]>) -> ControlFlow<()> {
        self.account.has_items = true;
        let ParsedEvent { event, certainty, supersedes, dropped } = parsed;
        self.account.drop(dropped);
        (self.visit)(Item::Event { event, certainty, supersedes, json })
    }

    pub(super) fn refuse(&mut self, refused: Refused<'_>) -> ControlFlow<()> {
        self.account.has_items = true;
        let zeros = zeros::refusal_of(refused.text);
        let refusal = zeros.as_ref().unwrap_or(refused.refusal);
        (self.visit)(Item::Refused(Refused { refusal, ..refused }))
    }
}

/// Counts of skipped input.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Account {
    /// There was an event, or a refusal.
    pub(super) has_items: bool,
    /// Further CSV headers in a file.
    pub(super) repeated_headers: u64,
    /// Events by optional member that was dropped, in the order of [`Dropped::MEMBERS`].
    dropped: [u64; Dropped::MEMBERS.len()],
    /// Files without events, with the reasons; only the first ones.
    empty: Vec<String>,
    empty_count: u64,
}

impl Account {
    fn drop(&mut self, dropped: Dropped) {
        for (count, is_dropped) in self.dropped.iter_mut().zip(dropped.flags()) {
            *count += u64::from(is_dropped);
        }
    }

    /// Adds a file without events; `problem` is the rest of the sentence.
    pub(super) fn is_empty(&mut self, file: &str, problem: &str) {
        self.empty_count += 1;
        if self.empty.len() < NAMED_FILES_MAX {
            self.empty.push(format!("{file} {problem}"));
        }
    }

    pub(super) fn add(&mut self, other: Self) {
        self.has_items |= other.has_items;
        self.repeated_headers += other.repeated_headers;
        for (sum, count) in self.dropped.iter_mut().zip(other.dropped) {
            *sum += count;
        }
        let room = NAMED_FILES_MAX.saturating_sub(self.empty.len());
        self.empty.extend(other.empty.into_iter().take(room));
        self.empty_count += other.empty_count;
    }

    /// Reports the skipped input of files that were read to their end.
    ///
    /// # Errors
    /// The files contain no events.
    pub(super) fn tell(self, observer: &dyn Observer) -> Result<(), Error> {
        if !self.has_items {
            return Err(Error::NoEvents { reasons: self.empty_told() });
        }
        if self.empty_count > 0 {
            observer.say(&format!("no events: {}", self.empty_told()));
        }
        if let Some(told) = self.passed_over() {
            observer.say(&told);
        }
        Ok(())
    }

    fn empty_told(&self) -> String {
        let told = self.empty.join("; ");
        match self.empty_count - self.empty.len() as u64 {
            0 if told.is_empty() => "the files have only blank lines".to_owned(),
            0 => told,
            others => format!("{told}; and {} like these", counted(others, "file")),
        }
    }

    fn passed_over(&self) -> Option<String> {
        let counts = Dropped::MEMBERS.into_iter().zip(self.dropped).filter(|(_, count)| *count > 0);
        let dropped: Vec<String> =
            counts.map(|(member, count)| format!("{member} of {}", counted(count, "event"))).collect();
        let dropped = (!dropped.is_empty())
            .then(|| format!("dropped {}, which were invalid (their events were accepted)", dropped.join(" and ")));
        let headers = self.repeated_headers;
        let skipped = (headers > 0).then(|| format!("skipped {}", counted(headers, "repeated CSV header")));
        let told: Vec<String> = [skipped, dropped].into_iter().flatten().collect();
        (!told.is_empty()).then(|| told.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observer::silent;

    #[test]
    fn what_was_passed_over_is_counted_and_told() {
        let mut account = Account { has_items: true, repeated_headers: 2, ..Account::default() };
        account.drop(Dropped { gate_id: true, confidence: true, ..Dropped::default() });
        let mut sum = account.clone();
        sum.add(account);

        assert_eq!(
            sum.passed_over().unwrap(),
            "skipped 4 repeated CSV headers; dropped gate_id of 2 events and confidence of 2 events, which were invalid \
             (their events were accepted)"
        );
        assert_eq!(Account::default().passed_over(), None);
    }

    #[test]
    fn of_many_files_without_events_the_first_are_named() {
        let mut account = Account::default();
        for number in 0..12 {
            account.is_empty(&format!("{number}.csv"), "is empty");
        }

        let said = account.tell(silent().as_ref()).unwrap_err().to_string();

        assert!(said.contains("0.csv is empty; 1.csv is empty;"), "{said}");
        assert!(said.ends_with("9.csv is empty; and 2 files like these"), "{said}");
    }
}
