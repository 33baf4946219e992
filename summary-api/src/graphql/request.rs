//! The members of a request (GraphQL over HTTP), from a body or an address.

use api::parameters::{Parameters as _, optional, text};
use api::{Fault, Kind, Problem};
use async_graphql::{Request, Variables};
use axum::http::Uri;
use serde_json::{Map, Value};
use utoipa::IntoParams;

use super::scan;

type Members = Map<String, Value>;

/// The request that a body holds.
///
/// # Errors
/// It is no JSON object, or a member of it is missing or of the wrong type.
pub(super) fn of_body(body: &[u8]) -> Result<Request, Problem> {
    let malformed = |problem: String| Problem::new(Kind::Malformed, problem);
    let text = std::str::from_utf8(body).map_err(|error| malformed(format!("the body is not UTF-8: {error}")))?;
    scan::check(text).map_err(malformed)?;
    let mut members: Members = serde_json::from_str(text).map_err(|error| {
        let hint = "a GraphQL request is one JSON object with the member query";
        malformed(format!("{hint}; this is not, at line {} column {}", error.line(), error.column()))
    })?;
    let wrong = |fault| Problem::with_faults(Kind::Malformed, vec![fault]);
    let query = string(&mut members, "query").map_err(wrong)?;
    let query = query.ok_or_else(|| wrong(Fault::member("query", "is missing: it holds the GraphQL document")))?;
    let operation = string(&mut members, "operationName").map_err(wrong)?;
    let variables = object(&mut members, "variables").map_err(wrong)?;
    object(&mut members, "extensions").map_err(wrong)?;
    Ok(request(query, operation, variables))
}

api::parameters! {
    /// The request in an address.
    #[derive(Debug, IntoParams)]
    #[into_params(parameter_in = Query)]
    pub(super) struct AddressParameters {
        /// The request; a browser that sends none gets a page to write one on
        query: Option<String> = optional(text);
        /// A JSON object
        #[param(value_type = Option<String>)]
        variables: Option<Members> = optional(members);
        /// Which operation of several
        #[param(rename = "operationName")]
        operation: Option<String> as "operationName" = optional(text);
        /// A JSON object; none of its members is known
        #[param(value_type = Option<String>)]
        extensions: Option<Members> = optional(members);
    }
}

/// The request in an address; `None` when there is none.
///
/// # Errors
/// A parameter is not known, there twice, or not of its type.
pub(super) fn of_address(uri: &Uri) -> Result<Option<Request>, Problem> {
    let asked = AddressParameters::read_form(uri).map_err(Problem::malformed)?;
    Ok(asked.query.map(|query| request(query, asked.operation, asked.variables.unwrap_or_default())))
}

fn request(query: String, operation: Option<String>, variables: Members) -> Request {
    let mut request = Request::new(query).variables(Variables::from_json(Value::Object(variables)));
    request.operation_name = operation.filter(|name| !name.is_empty());
    request
}

/// A member that is a string, null or absent.
fn string(members: &mut Members, name: &str) -> Result<Option<String>, Fault> {
    match members.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            Err(Fault::member(name, "is not a string"))
        }
    }
}

/// A member that is an object, null or absent.
fn object(members: &mut Members, name: &str) -> Result<Members, Fault> {
    match members.remove(name) {
        None | Some(Value::Null) => Ok(Members::new()),
        Some(Value::Object(inner)) => Ok(inner),
        Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
            Err(Fault::member(name, "is not a JSON object"))
        }
    }
}

/// A parameter that is a JSON object or null.
fn members(text: &str) -> Result<Members, String> {
    scan::check(text)?;
    let members: Option<Members> = serde_json::from_str(text).map_err(|_| "is not a JSON object".to_owned())?;
    Ok(members.unwrap_or_default())
}
