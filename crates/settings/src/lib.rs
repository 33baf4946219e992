//! Configuration: one table of settings, read from flags and the environment, with errors that say what to do.
//!
//! A flag wins over its variable, a variable over the default; an empty value counts as absent. An unknown `DWELL_…`
//! name is refused, a known one that a service does not use is fine. A value that may hold a password shows itself
//! without it.
//!
//! Start reading at [`Settings`] and the table, [`ALL`]. Deliberately not here: what a service does with a value, or
//! without one, and how a process ends that was refused its settings.

mod command;
mod effective;
mod error;
mod hosts;
mod listen;
mod redacted;
mod rules;
mod table;
mod typed;

pub use command::{HEALTHCHECK, command, flags, reading, with_default};
pub use effective::Effective;
pub use error::Error;
pub use hosts::{Host, PublicHosts};
pub use listen::{Listen, is_loopback};
pub use redacted::{Redacted, redact};
pub use table::*;

use std::collections::BTreeMap;
use std::ffi::OsString;

use clap::ArgMatches;
use clap::parser::ValueSource;

/// Where a value was given; an error names this, so that the reader knows what to change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    Flag,
    Environment,
    Default,
}

/// A value and where it was given.
#[derive(Clone)]
struct Given {
    value: String,
    origin: Origin,
}

/// What this process was told, by name of the variable. `Debug` shows it redacted.
#[derive(Clone)]
pub struct Settings {
    given: BTreeMap<&'static str, Given>,
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Settings({})", self.effective())
    }
}

impl Settings {
    /// Takes the flags of a [`command`] and the environment (`std::env::vars_os()`).
    pub fn read(
        matches: &ArgMatches,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, Error> {
        let (settings, errors) = Self::read_all(matches, environment);
        errors.into_iter().next().map_or(Ok(settings), Err)
    }

    /// The same, for who wants to know all that can't be read: it is left out, and said in the errors.
    pub fn read_all(
        matches: &ArgMatches,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> (Self, Vec<Error>) {
        let mut settings = Self { given: BTreeMap::new() };
        for setting in ALL {
            settings.give(setting, setting.default.unwrap_or_default(), Origin::Default);
            // A program may offer fewer flags than there are settings; then the table's default stands.
            let Some(value) = matches.try_get_one::<String>(setting.name).ok().flatten() else {
                continue;
            };
            let by_hand = matches.value_source(setting.name) == Some(ValueSource::CommandLine);
            settings.give(setting, value, if by_hand { Origin::Flag } else { Origin::Default });
        }
        let errors = settings.take_environment(environment);
        (settings, errors)
    }

    /// The defaults of the table, changed by these variables; for tests and for programs without flags.
    pub fn from_variables<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, Error> {
        let mut settings = Self { given: BTreeMap::new() };
        for setting in ALL {
            settings.give(setting, setting.default.unwrap_or_default(), Origin::Default);
        }
        let errors = settings.take_environment(variables.into_iter().map(|(name, value)| (name.into(), value.into())));
        errors.into_iter().next().map_or(Ok(settings), Err)
    }

    /// A value for a test or for a part that another part starts; it wins over what was given before.
    #[must_use]
    pub fn with(mut self, setting: &Setting, value: &str) -> Self {
        self.given.remove(setting.name);
        self.give(setting, value, Origin::Environment);
        self
    }

    /// The same with the table's default for one setting, as if nobody had said anything.
    #[must_use]
    pub fn without(mut self, setting: &Setting) -> Self {
        self.given.remove(setting.name);
        self.give(setting, setting.default.unwrap_or_default(), Origin::Default);
        self
    }

    /// Whether a value was given by flag or environment, so not by default.
    pub fn is_given(&self, setting: &Setting) -> bool {
        self.given.get(setting.name).is_some_and(|given| given.origin != Origin::Default)
    }

    /// Every value that holds, secrets redacted.
    pub fn effective(&self) -> Effective {
        self.values_of(|_| true)
    }

    /// The values that were given by flag or environment, secrets redacted.
    pub fn given(&self) -> Effective {
        self.values_of(|setting| self.is_given(setting))
    }

    fn values_of(&self, is_wanted: impl Fn(&Setting) -> bool) -> Effective {
        Effective::new(ALL.iter().filter(|setting| is_wanted(setting)).filter_map(|setting| {
            let given = self.given.get(setting.name)?;
            Some((setting.name, shown(setting, &given.value)))
        }))
    }

    /// The error for a value that cannot be used: it names the variable or flag, the value, and what is allowed.
    pub fn wrong(&self, setting: &Setting, reason: impl Into<String>) -> Error {
        self.wrong_of(setting, reason, setting.allowed)
    }

    /// The same, where the value is right and what it leads to is not: `allowed` says what may be there.
    pub(crate) fn wrong_of(&self, setting: &Setting, reason: impl Into<String>, allowed: &'static str) -> Error {
        Error::Wrong {
            name: self.said_as(setting),
            value: self.given.get(setting.name).map(|given| shown(setting, &given.value)).unwrap_or_default(),
            reason: reason.into(),
            allowed,
        }
    }

    fn give(&mut self, setting: &Setting, value: &str, origin: Origin) {
        if !value.is_empty() {
            self.given.insert(setting.name, Given { value: value.to_owned(), origin });
        }
    }

    fn take_environment(&mut self, variables: impl IntoIterator<Item = (OsString, OsString)>) -> Vec<Error> {
        let mut errors = Vec::new();
        for (name, value) in variables {
            let name = name.to_string_lossy();
            if !name.starts_with(PREFIX) {
                continue;
            }
            let Some(setting) = ALL.iter().find(|setting| setting.name == name) else {
                errors.push(Error::unknown(&name));
                continue;
            };
            let Ok(value) = value.into_string() else {
                errors.push(Error::NotUnicode { name: setting.name });
                continue;
            };
            if self.given.get(setting.name).is_none_or(|given| given.origin != Origin::Flag) {
                self.give(setting, &value, Origin::Environment);
            }
        }
        errors
    }

    /// The name as the person who set it knows it: the flag or the variable.
    pub fn said_as(&self, setting: &Setting) -> String {
        match self.given.get(setting.name).map(|given| given.origin) {
            Some(Origin::Flag) => format!("--{}", setting.flag()),
            Some(Origin::Environment | Origin::Default) | None => setting.name.to_owned(),
        }
    }
}

/// A value as it may be shown.
fn shown(setting: &Setting, value: &str) -> String {
    if setting.secret { Redacted::secret(value).to_string() } else { redact(value) }
}

#[cfg(test)]
mod tests;
