//! Why a gate event was refused: which member, and what is wrong with it.

use std::fmt;

/// A gate event (or a whole message) that can't be taken, and why.
///
/// The text names the member and what is allowed. It never holds a plate: refusals are logged and
/// travel in the headers of dead letters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    member: &'static str,
    problem: String,
}

impl Refusal {
    /// A refusal of `member`, with the rest of the sentence.
    pub fn new(member: &'static str, problem: impl Into<String>) -> Self {
        Self { member, problem: problem.into() }
    }

    /// The member at fault (`body` for the message as a whole): a fixed word, fit to be a metric's label.
    pub fn member(&self) -> &'static str {
        self.member
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.member, self.problem)
    }
}

impl std::error::Error for Refusal {}

/// `text` in quotes, cut to a length that fits a log line.
pub(crate) fn quoted(text: &str) -> String {
    const LONGEST: usize = 48;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}
