//! The effective settings, in a form for the log.

use std::fmt;

/// Names and values, secrets redacted; `Display` puts them on one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effective(Vec<(&'static str, String)>);

impl Effective {
    pub(super) fn new(values: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        Self(values.into_iter().collect())
    }

    /// The names of variables and their values, in the order of `--help`.
    pub fn values(&self) -> &[(&'static str, String)] {
        &self.0
    }
}

impl fmt::Display for Effective {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, value)) in self.0.iter().enumerate() {
            let gap = if index == 0 { "" } else { " " };
            write!(formatter, "{gap}{name}={value}")?;
        }
        Ok(())
    }
}
