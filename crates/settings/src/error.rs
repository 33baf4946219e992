//! What can be wrong with the configuration, said to the person who wrote it.
//!
//! The process then exits with 78; that is left to `service_kit::exit_code`.

use super::table::{ALL, Setting};

/// A configuration that cannot be used. Its text never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A variable that begins with `DWELL_` and that nothing knows.
    #[error("unknown setting {name}{}", did_you_mean(*.suggestion))]
    UnknownName {
        /// The name that was found.
        name: String,
        /// The known name that looks most like it.
        suggestion: Option<&'static str>,
    },
    /// A value that is no text.
    #[error("the value of {name} is not valid UTF-8")]
    NotUnicode {
        /// The name of the variable.
        name: &'static str,
    },
    /// A value that this service cannot do without.
    #[error("{name} is not set, and this service needs it ({help}): set {name} or --{flag} to {allowed}")]
    Missing {
        /// The name of the variable.
        name: &'static str,
        /// The flag, without its dashes.
        flag: String,
        /// What it is for.
        help: &'static str,
        /// What a value may be.
        allowed: &'static str,
    },
    /// Settings that are well formed, but that a server or a file does not take; the text says what to do.
    #[error("{0}")]
    Refused(String),
    /// A value that is not allowed.
    #[error("{name}={value}: {reason}; allowed is {allowed}")]
    Wrong {
        /// The variable, or the flag with its dashes.
        name: String,
        /// The value, redacted.
        value: String,
        /// What is wrong with it.
        reason: String,
        /// What a value may be.
        allowed: &'static str,
    },
}

impl Error {
    /// The error for a missing value.
    pub fn missing(setting: &Setting) -> Self {
        Self::Missing { name: setting.name, flag: setting.flag(), help: setting.help, allowed: setting.allowed }
    }

    /// The setting that it is about, when it is about one.
    pub fn setting(&self) -> Option<&'static Setting> {
        let said = match self {
            Self::NotUnicode { name } | Self::Missing { name, .. } => name,
            Self::Wrong { name, .. } => name.as_str(),
            Self::UnknownName { .. } | Self::Refused(_) => return None,
        };
        let is_it = |setting: &&Setting| said == setting.name || said.strip_prefix("--") == Some(&setting.flag());
        ALL.iter().copied().find(is_it)
    }

    /// The error for an unknown name, with the known name that is nearest to it.
    pub(super) fn unknown(name: &str) -> Self {
        Self::UnknownName { name: name.to_owned(), suggestion: nearest(name, ALL.iter().map(|setting| setting.name)) }
    }
}

/// The word that was probably meant.
pub(super) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // Half of the letters wrong is no slip of the finger any more: then no suggestion is better than a silly one.
    const LIKENESS_MIN: f64 = 0.5;
    let bare = |name: &str| name.trim_start_matches(super::PREFIX).to_ascii_uppercase();
    known
        .map(|known| (known, strsim::normalized_damerau_levenshtein(&bare(word), &bare(known))))
        .filter(|(_, likeness)| *likeness >= LIKENESS_MIN)
        .max_by(|(_, one), (_, other)| one.total_cmp(other))
        .map(|(known, _)| known)
}

fn did_you_mean(suggestion: Option<&str>) -> String {
    match suggestion {
        Some(known) => format!("; did you mean {known}? --help lists all settings"),
        None => "; --help lists all settings".to_owned(),
    }
}
