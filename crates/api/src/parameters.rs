//! Query parameters: known ones only, each wrong value named, all wrong ones at once. And the id in a path.

use axum::extract::RawPathParams;
use axum::http::Uri;
use parking::{LotId, Timestamp};
use url::form_urlencoded;
use uuid::Uuid;

use crate::problem::{Fault, Kind, Problem};

/// The longest part of a value that is told back, characters.
const LONGEST_TOLD: usize = 48;

/// The parameters of a request.
#[derive(Debug)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Takes the parameters, all of which must be among `known`.
    pub fn read(uri: &Uri, known: &[&str]) -> Result<Self, Problem> {
        let text = uri.query().unwrap_or_default();
        let pairs: Vec<(String, String)> = form_urlencoded::parse(text.as_bytes()).into_owned().collect();
        let unknown = pairs.iter().filter(|(name, _)| !known.contains(&name.as_str()));
        let faults: Vec<Fault> = unknown
            .map(|(name, _)| {
                let told = quoted(name);
                let others =
                    if known.is_empty() { "it has none".into() } else { format!("known are: {}", known.join(", ")) };
                let problem = format!("{told} is no parameter of this route; {others}");
                Fault { detail: problem, pointer: None, parameter: Some(cut(name)) }
            })
            .collect();
        if faults.is_empty() { Ok(Self(pairs)) } else { Err(Problem::with_faults(Kind::Malformed, faults)) }
    }

    /// The parameters of a form, where a field that was left empty says nothing.
    pub fn of_form(uri: &Uri, known: &[&str]) -> Result<Self, Problem> {
        let mut query = Self::read(uri, known)?;
        query.0.retain(|(_, value)| !value.trim().is_empty());
        Ok(query)
    }

    /// The same with `value`, unless the parameter is there.
    #[must_use]
    pub fn or(mut self, name: &str, value: &str) -> Self {
        if self.all(name).next().is_none() {
            self.0.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    /// Parameters that came by another way.
    pub fn of(pairs: impl Iterator<Item = (&'static str, String)>) -> Self {
        Self(pairs.map(|(name, value)| (name.to_owned(), value)).collect())
    }

    /// All values of a parameter.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A parameter that is there at most once, read by `parse`, which says what is wrong as the end of a sentence.
    pub fn one<T>(&self, name: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> Result<Option<T>, Fault> {
        let mut values = self.all(name);
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some(value), None) => parse(value).map(Some).map_err(|problem| Fault::parameter(name, problem)),
            (Some(_), Some(_)) => Err(Fault::parameter(name, "is there twice")),
        }
    }
}

/// Collects what is wrong, so that all of it is told at once.
#[derive(Debug, Default)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// The value, or a fault to remember.
    pub fn check<T>(&mut self, value: Result<T, Fault>) -> Option<T> {
        value.map_err(|fault| self.0.push(fault)).ok()
    }

    /// A problem, when anything was wrong.
    pub fn none(self) -> Result<(), Problem> {
        if self.0.is_empty() { Ok(()) } else { Err(Problem::with_faults(Kind::InvalidContent, self.0)) }
    }
}

/// A number of items from 1 to `most`.
pub fn limit(text: &str, most: u32) -> Result<u32, String> {
    match text.parse() {
        Ok(number) if (1..=most).contains(&number) => Ok(number),
        _ => Err(format!("{} is not a whole number from 1 to {most}", quoted(text))),
    }
}

/// The name of a lot.
pub fn lot(text: &str) -> Result<LotId, String> {
    LotId::parse(text).map_err(|problem| format!("{} {problem}", quoted(text)))
}

/// A moment.
pub fn time(text: &str) -> Result<Timestamp, String> {
    let hint = if text.contains(' ') { " (in a query, + is written %2B)" } else { "" };
    Timestamp::parse_rfc3339(text).map_err(|problem| format!("{} {problem}{hint}", quoted(text)))
}

/// The id that a path ends with or goes on from.
pub fn path_id(path: &RawPathParams) -> Result<Uuid, Problem> {
    let text = path.iter().next().map_or("", |(_, value)| value);
    Uuid::try_parse(text).map_err(|_| {
        let example = "0191c2f4-3cfa-8d2e-ab23-969652be6075";
        let fault = Fault::parameter("id", format!("{} is not a UUID such as {example}", quoted(text)));
        Problem::with_faults(Kind::InvalidContent, vec![fault])
    })
}

/// A value in quotes, cut to what fits a message.
pub fn quoted(text: &str) -> String {
    format!("{:?}", cut(text))
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(LONGEST_TOLD) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
