//! The typed getters of [`Settings`]: each parses one kind of value, and refuses others with what is allowed.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use parking::Lots;

use super::error::nearest;
use super::file;
use super::{Error, Listen, PublicHosts, Redacted, Setting, Settings, TrustedProxies};

impl Settings {
    /// The original text, if given.
    pub fn text(&self, setting: &Setting) -> Option<&str> {
        self.given.get(setting.name).map(|given| given.value.as_str())
    }

    /// The original text; if missing, the error says what to set.
    pub fn required(&self, setting: &Setting) -> Result<&str, Error> {
        self.text(setting).ok_or_else(|| Error::missing(setting))
    }

    /// One of a few words; `choices` maps each word to its meaning.
    pub fn choice<T: Clone>(&self, setting: &Setting, choices: &[(&str, T)]) -> Result<Option<T>, Error> {
        let Some(text) = self.text(setting) else {
            return Ok(None);
        };
        if let Some((_, meaning)) = choices.iter().find(|(word, _)| *word == text) {
            return Ok(Some(meaning.clone()));
        }
        let meant = nearest(text, choices.iter().map(|(word, _)| *word));
        let hint = meant.map(|word| format!("; did you mean {word}?")).unwrap_or_default();
        Err(self.wrong(setting, format!("it is not one of the allowed words{hint}")))
    }

    /// Whether a switch is on.
    pub fn is_on(&self, setting: &Setting) -> Result<bool, Error> {
        Ok(self.choice(setting, &[("on", true), ("off", false)])?.unwrap_or(false))
    }

    /// A duration such as `30s`.
    pub fn duration(&self, setting: &Setting) -> Result<Duration, Error> {
        let text = self.required(setting)?;
        humantime::parse_duration(text).map_err(|error| self.wrong(setting, error.to_string()))
    }

    /// A number within `allowed`.
    pub fn number<T>(&self, setting: &Setting, allowed: RangeInclusive<T>) -> Result<T, Error>
    where
        T: FromStr + PartialOrd + Display,
    {
        let text = self.required(setting)?;
        let number = text.parse::<T>().map_err(|_| self.wrong(setting, "it is not such a number"))?;
        if allowed.contains(&number) {
            return Ok(number);
        }
        Err(self.wrong(setting, format!("it is not within {} to {}", allowed.start(), allowed.end())))
    }

    /// A share from 0 to 1.
    pub fn share(&self, setting: &Setting) -> Result<f64, Error> {
        self.number(setting, 0.0..=1.0)
    }

    /// A URL of one of `schemes`, if given. It is displayed without its password.
    pub fn url(&self, setting: &Setting, schemes: &[&str]) -> Result<Option<Redacted>, Error> {
        let Some(text) = self.text(setting) else {
            return Ok(None);
        };
        let url = url::Url::parse(text).map_err(|error| self.wrong(setting, format!("it is not a URL ({error})")))?;
        if !schemes.contains(&url.scheme()) {
            return Err(self.wrong(setting, format!("its scheme is not {}", schemes.join(" or "))));
        }
        Ok(Some(Redacted::url(text)))
    }

    /// A URL of one of `schemes`; if missing, the error says what to set.
    pub fn required_url(&self, setting: &Setting, schemes: &[&str]) -> Result<Redacted, Error> {
        self.url(setting, schemes)?.ok_or_else(|| Error::missing(setting))
    }

    /// A secret of at least 16 visible ASCII characters, if given.
    pub fn secret(&self, setting: &Setting) -> Result<Option<Redacted>, Error> {
        const LENGTH_MIN: usize = 16;
        let Some(text) = self.text(setting) else {
            return Ok(None);
        };
        if text.len() < LENGTH_MIN || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(self.wrong(setting, "it is too short, or contains blanks or other characters"));
        }
        Ok(Some(Redacted::secret(text)))
    }

    /// An address to listen on; by default the loopback address with `default_port`.
    pub fn listen(&self, setting: &Setting, default_port: u16) -> Result<Listen, Error> {
        match self.text(setting) {
            Some(text) => text.parse().map_err(|reason: &str| self.wrong(setting, reason)),
            None => Ok(Listen::loopback(default_port)),
        }
    }

    /// The lots of the given file; by default three lots, for a first look.
    pub fn lots(&self, setting: &Setting) -> Result<Lots, Error> {
        const CONTENT: &str = "a [[lot]] for each car park, with id and kind, and if known capacity, time_zone, \
            permitted_stay, max_stay, re_read_window and arrivals_per_hour";
        let Some(toml) = self.file(setting)? else { return Ok(Lots::default()) };
        Lots::parse(&toml).map_err(|error| self.wrong_of(setting, error.to_string(), CONTENT))
    }

    /// The text of the given file. Every reader of a setting's file uses this, for its limits.
    pub fn file(&self, setting: &Setting) -> Result<Option<String>, Error> {
        let Some(path) = self.text(setting) else { return Ok(None) };
        file::read(path.as_ref()).map(Some).map_err(|problem| self.wrong(setting, problem))
    }

    /// Host names separated by commas.
    pub fn hosts(&self, setting: &Setting) -> Result<PublicHosts, Error> {
        let names = self.list(setting);
        PublicHosts::parse(names.iter().map(String::as_str)).map_err(|fault| self.wrong(setting, fault))
    }

    /// Addresses and networks of reverse proxies, separated by commas; the default of the setting if it is not given.
    pub fn proxies(&self, setting: &Setting) -> Result<TrustedProxies, Error> {
        let text = self.text(setting).unwrap_or_default();
        TrustedProxies::parse(text).map_err(|fault| self.wrong(setting, fault.to_string()))
    }

    /// Values separated by commas; blanks around them and empty values are ignored.
    pub fn list(&self, setting: &Setting) -> Vec<String> {
        let text = self.text(setting).unwrap_or_default();
        text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
    }
}
