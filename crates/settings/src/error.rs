//! Configuration errors, written for the person who made them.
//!
//! The process then exits with 78; see `service_kit::exit_code`.

use std::path::Path;

use super::table::{ALL, FILE_SUFFIX, Setting};

/// Why a configuration can't be used. The text never contains a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// An unknown variable that begins with `DWELL_`, or an unknown name in a file.
    #[error("unknown setting {name}{}{}", in_file(.file.as_deref()), did_you_mean(*.suggestion))]
    UnknownName {
        /// The name.
        name: String,
        /// The file, if it is in one.
        file: Option<String>,
        /// The most similar known name.
        suggestion: Option<&'static str>,
    },
    /// A value that is not text.
    #[error("the value of {name} is not valid UTF-8")]
    NotUnicode {
        /// The name of the variable.
        name: &'static str,
    },
    /// A missing value that this service requires.
    #[error("{name} is not set, and this service needs it ({help}): set {name} or --{flag} to {allowed}")]
    Missing {
        /// The name of the variable.
        name: &'static str,
        /// The flag, without its dashes.
        flag: String,
        /// Its purpose.
        help: &'static str,
        /// The allowed values.
        allowed: &'static str,
    },
    /// A well-formed value that a server or a file refuses; the text says what to do.
    #[error("{0}")]
    Refused(String),
    /// A value that is not allowed.
    #[error("{name}={value}: {reason}; allowed is {allowed}")]
    Wrong {
        /// The variable, the flag with its dashes, or `FILE: VARIABLE`.
        name: String,
        /// The value, redacted.
        value: String,
        /// What is wrong with it.
        reason: String,
        /// The allowed values.
        allowed: &'static str,
    },
}

impl Error {
    /// The error for a missing value.
    pub fn missing(setting: &Setting) -> Self {
        Self::Missing { name: setting.name, flag: setting.flag(), help: setting.help, allowed: setting.allowed }
    }

    /// The setting that the error is about, if it is one.
    pub fn setting(&self) -> Option<&'static Setting> {
        let said = match self {
            Self::NotUnicode { name } | Self::Missing { name, .. } => name,
            Self::Wrong { name, .. } => name.rsplit(": ").next().unwrap_or(name),
            Self::UnknownName { .. } | Self::Refused(_) => return None,
        };
        let is_file = |setting: &Setting| setting.in_file && said.strip_suffix(FILE_SUFFIX) == Some(setting.name);
        let is_it = |setting: &&Setting| {
            said == setting.name || said.strip_prefix("--") == Some(&setting.flag()) || is_file(setting)
        };
        ALL.iter().copied().find(is_it)
    }

    /// The error of an unknown name, with the most similar known name.
    pub(super) fn unknown(name: &str, file: Option<&Path>) -> Self {
        Self::UnknownName {
            name: name.to_owned(),
            file: file.map(|file| file.display().to_string()),
            suggestion: nearest(name, ALL.iter().map(|setting| setting.name)),
        }
    }
}

/// The most likely intended word.
pub(super) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // With half of the letters wrong it is hardly a typo: no suggestion is better than a silly one.
    const LIKENESS_MIN: f64 = 0.5;
    let bare = |name: &str| name.trim_start_matches(super::PREFIX).to_ascii_uppercase();
    known
        .map(|known| (known, strsim::normalized_damerau_levenshtein(&bare(word), &bare(known))))
        .filter(|(_, likeness)| *likeness >= LIKENESS_MIN)
        .max_by(|(_, one), (_, other)| one.total_cmp(other))
        .map(|(known, _)| known)
}

fn in_file(file: Option<&str>) -> String {
    file.map(|file| format!(" in {file}")).unwrap_or_default()
}

fn did_you_mean(suggestion: Option<&str>) -> String {
    match suggestion {
        Some(known) => format!("; did you mean {known}? --help lists all settings"),
        None => "; --help lists all settings".to_owned(),
    }
}
