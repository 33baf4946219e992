//! The effective settings, in a form for the log and for people.

use std::fmt;

use super::table::Setting;

/// The source of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A flag of the command line.
    Flag,
    /// A variable of the environment.
    Environment,
    /// The file that `DWELL_CONFIG` names.
    File,
    /// A file with this value alone, which a variable with `_FILE` at its end names.
    SecretFile,
    /// The default of the program.
    Default,
}

impl Origin {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Flag => "flag",
            Self::Environment => "environment",
            Self::File => "file",
            Self::SecretFile => "file of its own",
            Self::Default => "default",
        }
    }
}

/// One setting with its effective value, without secrets and plates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The name of the variable.
    pub name: &'static str,
    /// The value; `None` if there is none, not even a default.
    pub value: Option<String>,
    /// Its source.
    pub origin: Origin,
}

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

/// Whether a value is hidden as a whole: a secret, or the text of a file instead of its path, which may be a private
/// key.
pub(super) fn is_hidden(setting: &Setting, value: &str) -> bool {
    setting.secret || value.contains(['\n', '\r']) || value.contains("-----BEGIN")
}

/// A value as text, without secrets and plates.
pub(super) fn shown(setting: &Setting, value: &str) -> String {
    if is_hidden(setting, value) {
        super::Redacted::secret(value).to_string()
    } else if setting.plates {
        let count = value.split(',').filter(|plate| !plate.trim().is_empty()).count();
        format!("({count} {}, not shown)", if count == 1 { "plate" } else { "plates" })
    } else {
        super::redact(value)
    }
}
