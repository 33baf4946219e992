//! Parameters of a query string or of a JSON body: [`parameters!`](crate::parameters!) declares those of a route once,
//! as a struct of typed values.
//!
//! The fields define the names, the parsers and, with [`IntoParams`](utoipa::IntoParams), the OpenAPI description.
//! Parsing reports all faults at once: each unknown name, or else each wrong value. Only this module parses text; the
//! page and GraphQL build the struct from typed values. The module also parses the id in a path.

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::Uri;
use axum::http::request::Parts;
use parking::{GateId, LotId, Plate, Timestamp};
use serde_json::{Map, Value};
use url::form_urlencoded;
use utoipa::openapi::path::Parameter;
use utoipa::openapi::schema::{ObjectBuilder, Schema};
use utoipa::openapi::{RefOr, Required};
use uuid::Uuid;

use crate::problem::{Fault, Kind, Problem};

/// The largest part of a value that an error quotes, characters.
const QUOTED_CHARS_MAX: usize = 48;

/// Declares the parameters of a route: a struct whose fields have a type and a parser.
///
/// The parameter has the name of the field, or the name after `as`. The macro keeps derives and attributes, such as
/// those of [`IntoParams`](utoipa::IntoParams); the doc comments are the OpenAPI descriptions of the parameters.
///
/// ```
/// use api::parameters::{Parameters as _, optional, required};
///
/// api::parameters! {
///     #[derive(Debug)]
///     struct LotParameters {
///         /// Only this lot
///         lot_id: parking::LotId = required(api::parameters::lot, "is missing");
///         /// From this time on
///         from_time: Option<parking::Timestamp> as "from" = optional(api::parameters::time);
///     }
/// }
///
/// let problem = LotParameters::read(&"/?from=today".parse().unwrap()).unwrap_err();
/// assert_eq!(problem.faults().len(), 2);
/// assert_eq!(LotParameters::NAMES, ["lot_id", "from"]);
/// ```
#[macro_export]
macro_rules! parameters {
    (@name $field:ident) => { stringify!($field) };
    (@name $field:ident $name:literal) => { $name };
    (
        $(#[$meta:meta])*
        $vis:vis struct $parameters:ident {
            $( $(#[$field_meta:meta])* $field_vis:vis $field:ident: $kind:ty $(as $name:literal)? = $read:expr; )+
        }
    ) => {
        $(#[$meta])*
        $vis struct $parameters {
            $( $(#[$field_meta])* $field_vis $field: $kind, )+
        }

        impl $crate::parameters::Parameters for $parameters {
            const NAMES: &'static [&'static str] = &[$($crate::parameters!(@name $field $($name)?)),+];

            fn from_pairs(pairs: &$crate::parameters::Pairs) -> Result<Self, $crate::Problem> {
                let mut faults = $crate::Faults::default();
                match ($(faults.check(pairs.read::<$kind>($crate::parameters!(@name $field $($name)?), $read)),)+) {
                    ($(Some($field),)+) => Ok(Self { $($field),+ }),
                    _ => Err(faults.into_problem()),
                }
            }
        }
    };
}

/// The typed parameters of a route.
pub trait Parameters: Sized {
    /// The names of the parameters.
    const NAMES: &'static [&'static str];

    /// Parses the values; each has one of [`NAMES`](Self::NAMES).
    ///
    /// # Errors
    /// A problem that lists each wrong value.
    fn from_pairs(pairs: &Pairs) -> Result<Self, Problem>;

    /// Parses the query string of a URI.
    ///
    /// # Errors
    /// A problem that lists each unknown parameter, or else each wrong value.
    fn read(uri: &Uri) -> Result<Self, Problem> {
        Self::from_pairs(&Pairs::known(uri, Self::NAMES)?)
    }

    /// Parses the members of a JSON object: texts, numbers, booleans and arrays of texts. A null member counts as absent.
    ///
    /// # Errors
    /// A problem that says what the body is instead, or lists each unknown member, or else each wrong value.
    fn read_object(body: &[u8]) -> Result<Self, Problem> {
        Self::from_pairs(&Pairs::of_object(body, Self::NAMES)?).map_err(Problem::in_body)
    }

    /// Parses the fields of a form in the query string; an empty field counts as absent.
    ///
    /// # Errors
    /// A problem that lists each unknown parameter, or else each wrong value.
    fn read_form(uri: &Uri) -> Result<Self, Problem> {
        Self::from_pairs(&Pairs::known(uri, Self::NAMES)?.with_values())
    }

    /// Parses the fields of a form in a body; an empty field counts as absent.
    ///
    /// # Errors
    /// A problem that lists each unknown field, or else each wrong value.
    fn read_posted(body: &[u8]) -> Result<Self, Problem> {
        Self::from_pairs(&Pairs::of_form(body, "field", Self::NAMES)?.with_values())
    }
}

/// For a route without parameters.
impl Parameters for () {
    const NAMES: &'static [&'static str] = &[];

    fn from_pairs(_: &Pairs) -> Result<Self, Problem> {
        Ok(())
    }
}

/// Extracts the parameters of a route from the query string.
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<T: Parameters, S: Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        T::read(&parts.uri).map(Self)
    }
}

/// Extracts the parameters of a page: the fields of its form.
#[derive(Debug)]
pub struct Form<T>(pub T);

impl<T: Parameters, S: Sync> FromRequestParts<S> for Form<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        T::read_form(&parts.uri).map(Self)
    }
}

/// The names and values of a query string.
#[derive(Debug)]
pub struct Pairs(Vec<(String, String)>);

impl Pairs {
    fn known(uri: &Uri, known: &[&str]) -> Result<Self, Problem> {
        Self::of_form(uri.query().unwrap_or_default().as_bytes(), "query parameter", known)
    }

    /// Only those with a value.
    fn with_values(mut self) -> Self {
        self.0.retain(|(_, value)| !value.trim().is_empty());
        self
    }

    fn of_form(text: &[u8], what: &str, known: &[&str]) -> Result<Self, Problem> {
        let pairs: Vec<(String, String)> = form_urlencoded::parse(text).into_owned().collect();
        let unknown = pairs.iter().filter(|(name, _)| !known.contains(&name.as_str()));
        let faults: Vec<Fault> = unknown
            .map(|(name, _)| {
                let expected = if known.is_empty() {
                    "expected none".into()
                } else {
                    format!("expected one of: {}", known.join(", "))
                };
                let detail = format!("unknown {what} {}; {expected}", quoted(name));
                Fault { detail, pointer: None, parameter: Some(cut(name)) }
            })
            .collect();
        if faults.is_empty() { Ok(Self(pairs)) } else { Err(Problem::with_faults(Kind::Malformed, faults)) }
    }

    fn of_object(body: &[u8], known: &[&str]) -> Result<Self, Problem> {
        let members: Map<String, Value> = serde_json::from_slice(body).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            Problem::new(
                Kind::Malformed,
                format!("the body is not a JSON object; the error is at line {line} column {column}"),
            )
        })?;
        let (mut pairs, mut faults) = (Vec::new(), Vec::new());
        for (name, value) in members {
            if !known.contains(&name.as_str()) {
                let detail = format!("unknown member {}; expected one of: {}", quoted(&name), known.join(", "));
                faults.push(Fault { detail, pointer: Some(format!("/{}", cut(&name))), parameter: None });
                continue;
            }
            let values = match value {
                Value::Null => Vec::new(),
                Value::Array(values) => values,
                Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => vec![value],
            };
            for value in values {
                match value {
                    Value::String(text) => pairs.push((name.clone(), text)),
                    Value::Bool(_) | Value::Number(_) => pairs.push((name.clone(), value.to_string())),
                    Value::Null | Value::Array(_) | Value::Object(_) => {
                        faults.push(Fault::member(
                            &name,
                            "is neither a text, a number or a boolean, nor an array of texts",
                        ));
                    }
                }
            }
        }
        if faults.is_empty() { Ok(Self(pairs)) } else { Err(Problem::with_faults(Kind::InvalidContent, faults)) }
    }

    /// Parses the values of a parameter with `read`. Its error text follows the name of the parameter.
    pub fn read<T>(&self, name: &str, read: impl FnOnce(&[&str]) -> Result<T, String>) -> Result<T, Fault> {
        let values = self.0.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str());
        read(&values.collect::<Vec<_>>()).map_err(|problem| Fault::parameter(name, problem))
    }
}

/// Parses an optional parameter, which may not be repeated.
pub fn optional<T>(parse: impl FnOnce(&str) -> Result<T, String>) -> impl FnOnce(&[&str]) -> Result<Option<T>, String> {
    |values| match values {
        [] => Ok(None),
        [value] => parse(value).map(Some),
        [_, _, ..] => Err("is repeated".to_owned()),
    }
}

/// Parses a required parameter; `missing` is the error text for an absent one.
pub fn required<T>(
    parse: impl FnOnce(&str) -> Result<T, String>,
    missing: &str,
) -> impl FnOnce(&[&str]) -> Result<T, String> {
    move |values| optional(parse)(values)?.ok_or_else(|| missing.to_owned())
}

/// Parses an optional boolean parameter; without it, it is false.
pub fn flag(values: &[&str]) -> Result<bool, String> {
    let parse = |text: &str| text.parse().map_err(|_| format!("{} is neither true nor false", quoted(text)));
    Ok(optional(parse)(values)?.unwrap_or(false))
}

/// Collects faults, so that one problem lists them all.
#[derive(Debug, Default)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// Returns the value, or records the fault.
    pub fn check<T>(&mut self, value: Result<T, Fault>) -> Option<T> {
        value.map_err(|fault| self.0.push(fault)).ok()
    }

    /// Checks a value that does not come from a query string.
    pub fn optional<V, T>(
        &mut self,
        name: &str,
        value: Option<V>,
        parse: impl FnOnce(V) -> Result<T, String>,
    ) -> Option<T> {
        let parsed = value.map(parse).transpose();
        self.check(parsed.map_err(|problem| Fault::parameter(name, problem))).flatten()
    }

    /// Ends the check.
    ///
    /// # Errors
    /// A problem that lists all faults, if there are any.
    pub fn none(self) -> Result<(), Problem> {
        if self.0.is_empty() { Ok(()) } else { Err(self.into_problem()) }
    }

    /// A problem that lists all faults.
    pub fn into_problem(self) -> Problem {
        Problem::with_faults(Kind::InvalidContent, self.0)
    }
}

/// The schema of a JSON body that has these parameters as its members.
pub fn body_of(parameters: Vec<Parameter>) -> ObjectBuilder {
    parameters.into_iter().fold(ObjectBuilder::new(), |body, parameter| {
        let is_required = matches!(parameter.required, Required::True);
        let schema = match (parameter.schema, parameter.description) {
            (Some(RefOr::T(Schema::Object(mut object))), description) => {
                object.description = description;
                RefOr::T(Schema::Object(object))
            }
            (Some(RefOr::T(Schema::Array(mut array))), description) => {
                array.description = description;
                RefOr::T(Schema::Array(array))
            }
            (schema, _) => schema.unwrap_or_default(),
        };
        let body = if is_required { body.required(parameter.name.clone()) } else { body };
        body.property(parameter.name, schema)
    })
}

/// Any text.
pub fn text(text: &str) -> Result<String, String> {
    Ok(text.to_owned())
}

/// Parses a number of items from 1 to `most`.
pub fn limit(most: u32) -> impl FnOnce(&str) -> Result<u32, String> {
    move |text| at_most(most)(text.parse().unwrap_or(0)).map_err(|_| not_within(text, most))
}

/// Checks a number of items from 1 to `most`.
pub fn at_most(most: u32) -> impl FnOnce(u32) -> Result<u32, String> {
    move |number| {
        if (1..=most).contains(&number) { Ok(number) } else { Err(not_within(&number.to_string(), most)) }
    }
}

fn not_within(number: &str, most: u32) -> String {
    format!("{} is not a whole number from 1 to {most}", quoted(number))
}

/// Parses the name of a lot.
pub fn lot(text: &str) -> Result<LotId, String> {
    LotId::parse(text).map_err(|problem| format!("{} {problem}", quoted(text)))
}

/// Parses the name of a gate.
pub fn gate(text: &str) -> Result<GateId, String> {
    GateId::parse(text).map_err(|problem| format!("{} {problem}", quoted(text)))
}

/// Parses a plate in any spelling. The error does not contain it.
pub fn plate(text: &str) -> Result<Plate, String> {
    Plate::named(text).map_err(str::to_owned)
}

/// Parses a time.
pub fn time(text: &str) -> Result<Timestamp, String> {
    let hint = if text.contains(' ') { " (in a query, + is written %2B)" } else { "" };
    Timestamp::parse_rfc3339(text).map_err(|problem| format!("{} {problem}{hint}", quoted(text)))
}

/// Parses the id in a path.
pub fn path_id(path: &RawPathParams) -> Result<Uuid, Problem> {
    let text = path.iter().next().map_or("", |(_, value)| value);
    Uuid::try_parse(text).map_err(|_| {
        let example = "0191c2f4-3cfa-8d2e-ab23-969652be6075";
        let fault = Fault::parameter("id", format!("{} is not a UUID such as {example}", quoted(text)));
        Problem::with_faults(Kind::InvalidContent, vec![fault])
    })
}

/// Quotes a value for an error text; cuts a long one.
pub fn quoted(text: &str) -> String {
    format!("{:?}", cut(text))
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(QUOTED_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
