//! Parses requests (GraphQL over HTTP) from a body or a query string.

use api::parameters::{Parameters as _, optional, text};
use api::{Fault, Kind, Problem};
use async_graphql::{Request, Variables};
use axum::http::Uri;
use serde_json::{Map, Value};
use utoipa::IntoParams;

use super::scan;

type Members = Map<String, Value>;

/// Parses the request in a body.
///
/// # Errors
/// The body is not a JSON object, or a member is missing or has the wrong type.
pub(super) fn of_body(body: &[u8]) -> Result<Request, Problem> {
    let malformed = |problem: String| Problem::new(Kind::Malformed, problem);
    let text = std::str::from_utf8(body).map_err(|error| malformed(format!("the body is not UTF-8: {error}")))?;
    scan::check(text).map_err(malformed)?;
    let mut members: Members = serde_json::from_str(text).map_err(|error| {
        let hint = "a GraphQL request is one JSON object with the member query";
        malformed(format!("{hint}; the error is at line {} column {}", error.line(), error.column()))
    })?;
    let wrong = |fault| Problem::with_faults(Kind::Malformed, vec![fault]);
    let query = string(&mut members, "query").map_err(wrong)?;
    let query = query.ok_or_else(|| wrong(Fault::member("query", "is missing; it contains the GraphQL document")))?;
    let operation = string(&mut members, "operationName").map_err(wrong)?;
    let variables = object(&mut members, "variables").map_err(wrong)?;
    object(&mut members, "extensions").map_err(wrong)?;
    Ok(request(query, operation, variables))
}

api::parameters! {
    /// The parameters of a request in a query string.
    #[derive(Debug, IntoParams)]
    #[into_params(parameter_in = Query)]
    pub(super) struct AddressParameters {
        /// The GraphQL document; without it, a browser gets an editor page
        query: Option<String> = optional(text);
        /// The variables, a JSON object
        #[param(value_type = Option<String>)]
        variables: Option<Members> = optional(members);
        /// The name of the operation to execute, if the document has several
        #[param(rename = "operationName")]
        operation: Option<String> as "operationName" = optional(text);
        /// A JSON object; its members are ignored
        #[param(value_type = Option<String>)]
        extensions: Option<Members> = optional(members);
    }
}

/// Parses the request in a query string; `None` if there is none.
///
/// # Errors
/// A parameter is unknown, repeated or has the wrong type.
pub(super) fn of_address(uri: &Uri) -> Result<Option<Request>, Problem> {
    let parameters = AddressParameters::read_form(uri).map_err(Problem::malformed)?;
    let AddressParameters { query, variables, operation, .. } = parameters;
    Ok(query.map(|query| request(query, operation, variables.unwrap_or_default())))
}

fn request(query: String, operation: Option<String>, variables: Members) -> Request {
    let mut request = Request::new(query).variables(Variables::from_json(Value::Object(variables)));
    request.operation_name = operation.filter(|name| !name.is_empty());
    request
}

/// Removes an optional string member; null counts as absent.
fn string(members: &mut Members, name: &str) -> Result<Option<String>, Fault> {
    match members.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            Err(Fault::member(name, "is not a string"))
        }
    }
}

/// Removes an optional object member; null counts as absent.
fn object(members: &mut Members, name: &str) -> Result<Members, Fault> {
    match members.remove(name) {
        None | Some(Value::Null) => Ok(Members::new()),
        Some(Value::Object(inner)) => Ok(inner),
        Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
            Err(Fault::member(name, "is not a JSON object"))
        }
    }
}

/// Parses a parameter that is a JSON object or null.
fn members(text: &str) -> Result<Members, String> {
    scan::check(text)?;
    let members: Option<Members> = serde_json::from_str(text).map_err(|_| "is not a JSON object".to_owned())?;
    Ok(members.unwrap_or_default())
}
