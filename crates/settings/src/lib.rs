//! Configuration: one table of settings, read from flags, the environment and a file, with errors that say what to do.
//!
//! A flag wins over its variable, a variable over the file that `DWELL_CONFIG` names, the file over the default; an
//! empty value counts as absent. A value that may contain a secret can also come from a file of its own, which wins
//! over its variable. An unknown name is refused; a known one that a service does not use is accepted. A value that may
//! contain a password is displayed without it.
//!
//! Start reading at [`Settings`] and the table, [`ALL`]. Deliberately not here: what a service does with a value or
//! without one, and the exit code of a refused configuration.

mod command;
mod config_file;
mod effective;
mod error;
mod file;
mod hosts;
mod listen;
mod proxies;
mod redacted;
mod rules;
mod secrets;
mod table;
mod typed;

pub use command::{HEALTHCHECK, command, flags, reading, with_default};
pub use effective::{Effective, Origin, Row};
pub use error::Error;
pub use file::{FileStamp, read as read_file};
pub use hosts::{Host, PublicHosts};
pub use listen::{Listen, is_loopback};
pub use proxies::{NetworkFault, TrustedProxies};
pub use redacted::{Redacted, redact};
pub use table::*;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use clap::ArgMatches;
use clap::parser::ValueSource;

use effective::shown;

/// A value and its source.
#[derive(Clone)]
struct Given {
    value: String,
    origin: Origin,
}

/// The given values of this process, by name of the variable. `Debug` redacts secrets.
#[derive(Clone)]
pub struct Settings {
    given: BTreeMap<&'static str, Given>,
    warnings: Vec<String>,
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Settings({})", self.effective())
    }
}

impl Settings {
    /// Reads the flags of a [`command`] and the environment (`std::env::vars_os()`).
    pub fn read(
        matches: &ArgMatches,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, Error> {
        let (settings, errors) = Self::read_all(matches, environment);
        errors.into_iter().next().map_or(Ok(settings), Err)
    }

    /// Like `read`, but leaves out what can't be read, and returns all the errors.
    pub fn read_all(
        matches: &ArgMatches,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> (Self, Vec<Error>) {
        let mut settings = Self::defaults();
        for setting in ALL {
            // A program may have fewer flags than there are settings; the others have the table's default.
            let Some(value) = matches.try_get_one::<String>(setting.name).ok().flatten() else {
                continue;
            };
            let by_hand = matches.value_source(setting.name) == Some(ValueSource::CommandLine);
            settings.give(setting, value, if by_hand { Origin::Flag } else { Origin::Default });
        }
        let mut errors = settings.take_environment(environment);
        errors.extend(settings.take_file());
        (settings, errors)
    }

    /// The defaults of the table, with these variables; for tests, and for programs without flags.
    pub fn from_variables<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, Error> {
        let mut settings = Self::defaults();
        let errors = settings.take_environment(variables.into_iter().map(|(name, value)| (name.into(), value.into())));
        errors.into_iter().chain(settings.take_file()).next().map_or(Ok(settings), Err)
    }

    fn defaults() -> Self {
        let mut settings = Self { given: BTreeMap::new(), warnings: Vec::new() };
        for setting in ALL {
            settings.give(setting, setting.default.unwrap_or_default(), Origin::Default);
        }
        settings
    }

    /// Sets a value, for tests and for parts that another part starts. It wins over a given value.
    #[must_use]
    pub fn with(mut self, setting: &Setting, value: &str) -> Self {
        self.given.remove(setting.name);
        self.give(setting, value, Origin::Environment);
        self
    }

    /// Removes the given value of one setting, so that the table's default applies.
    #[must_use]
    pub fn without(mut self, setting: &Setting) -> Self {
        self.given.remove(setting.name);
        self.give(setting, setting.default.unwrap_or_default(), Origin::Default);
        self
    }

    /// Whether a value was given by flag, environment or file.
    pub fn is_given(&self, setting: &Setting) -> bool {
        self.given.get(setting.name).is_some_and(|given| given.origin != Origin::Default)
    }

    /// Whether a value was given as a flag of the command line, which means this one run.
    pub fn is_flag(&self, setting: &Setting) -> bool {
        self.given.get(setting.name).is_some_and(|given| given.origin == Origin::Flag)
    }

    /// What works and needs attention, such as a file with a secret that everybody can read.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Every setting with its effective value and the source of the value, in the order of `--help`.
    pub fn rows(&self) -> Vec<Row> {
        let row = |setting: &&'static Setting| {
            let given = self.given.get(setting.name);
            Row {
                name: setting.name,
                value: given.map(|given| shown(setting, &given.value)),
                origin: given.map_or(Origin::Default, |given| given.origin),
            }
        };
        ALL.iter().map(row).collect()
    }

    /// Every effective value, secrets redacted.
    pub fn effective(&self) -> Effective {
        self.values_of(|_| true)
    }

    /// The values that were given by flag, environment or file, secrets redacted.
    pub fn given(&self) -> Effective {
        self.values_of(|setting| self.is_given(setting))
    }

    fn values_of(&self, is_wanted: impl Fn(&Setting) -> bool) -> Effective {
        Effective::new(ALL.iter().filter(|setting| is_wanted(setting)).filter_map(|setting| {
            let given = self.given.get(setting.name)?;
            Some((setting.name, shown(setting, &given.value)))
        }))
    }

    /// The error of an invalid value: it names the variable or flag, the value, and what is allowed.
    pub fn wrong(&self, setting: &Setting, reason: impl Into<String>) -> Error {
        self.wrong_of(setting, reason, setting.allowed)
    }

    /// The error of a valid value whose target is wrong, such as a file; `allowed` says what it may contain.
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
        let variables = variables.into_iter().map(|(name, value)| (name.to_string_lossy().into_owned(), value));
        let given = variables.filter(|(name, _)| name.starts_with(PREFIX));
        given.filter_map(|(name, value)| self.take_variable(&name, value).err()).collect()
    }

    fn take_variable(&mut self, name: &str, value: OsString) -> Result<(), Error> {
        let named = |name: &str| ALL.iter().copied().find(|setting| setting.name == name);
        let of_file = || name.strip_suffix(FILE_SUFFIX).and_then(named).filter(|setting| setting.in_file);
        let (setting, is_file) = match (named(name), of_file()) {
            (Some(setting), _) => (setting, false),
            (None, Some(setting)) => (setting, true),
            (None, None) => return Err(Error::unknown(name, None)),
        };
        let value = value.into_string().map_err(|_| Error::NotUnicode { name: setting.name })?;
        let stronger: &[Origin] = if is_file { &[Origin::Flag] } else { &[Origin::Flag, Origin::SecretFile] };
        let is_taken = self.given.get(setting.name).is_some_and(|given| stronger.contains(&given.origin));
        if is_taken || value.is_empty() {
            return Ok(());
        }
        if is_file {
            let text = file::read_line(value.as_ref()).map_err(|reason| Error::Wrong {
                name: name.to_owned(),
                // It may be the secret itself, given instead of a path.
                value: if value.starts_with(['/', '.']) { value } else { "***".to_owned() },
                reason,
                allowed: "the path of a file that contains the value in its only line",
            })?;
            self.give(setting, &text, Origin::SecretFile);
        } else {
            self.give(setting, &value, Origin::Environment);
        }
        Ok(())
    }

    /// Takes what neither a flag nor the environment gives from the file of `DWELL_CONFIG`.
    fn take_file(&mut self) -> Vec<Error> {
        let Some(path) = self.text(&CONFIG).map(str::to_owned) else { return Vec::new() };
        let content = match config_file::read(path.as_ref()) {
            Ok(content) => content,
            Err(problem) => return vec![self.wrong(&CONFIG, problem)],
        };
        for (setting, value) in content.values {
            if !self.is_given(setting) {
                self.give(setting, &value, Origin::File);
            }
        }
        self.warnings.extend(content.warnings);
        content.errors
    }

    /// The name in the form in which it was given: the flag, the variable, the variable of a file with the value, or the
    /// variable in the configuration file.
    pub fn said_as(&self, setting: &Setting) -> String {
        match self.given.get(setting.name).map(|given| given.origin) {
            Some(Origin::Flag) => format!("--{}", setting.flag()),
            Some(Origin::SecretFile) => format!("{}{FILE_SUFFIX}", setting.name),
            Some(Origin::File) => config_file::said_as(setting, Path::new(self.text(&CONFIG).unwrap_or(CONFIG.name))),
            Some(Origin::Environment | Origin::Default) | None => setting.name.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests;
