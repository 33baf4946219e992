//! Why a gate event was refused: which member, and what is wrong with it.

use std::fmt;

/// A gate event (or a whole message) that can't be taken, and why.
///
/// The text names the member and what is allowed. It never repeats a value, which may be a plate in the wrong member:
/// refusals are logged and travel in the headers of dead letters, which have the message itself beside them.
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

    /// The refusal of an array of which nothing is an event; this one is of its first element.
    #[must_use]
    pub fn of_array(self, elements: usize) -> Self {
        let Self { member, problem } = self;
        Self {
            member,
            problem: format!("{problem}; none of the array's {elements} elements is an event that can be taken"),
        }
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

/// A value that was refused, without telling it: mixed-up members may hold a plate.
pub(crate) fn told(text: &str) -> String {
    match text.chars().count() {
        0 => "(empty)".to_owned(),
        1 => "(1 character)".to_owned(),
        count => format!("({count} characters)"),
    }
}
