//! GraphQL errors: the texts of `/api/v1` with the names of GraphQL arguments, and a code for programs.

use async_graphql::{Error, ErrorExtensions as _, ServerError};

use crate::problem::{Kind, Problem};

/// The member of `extensions` that contains the last part of the problem's type.
const CODE: &str = "code";
/// Parameters of `/api/v1`, and the arguments that correspond to them.
const ARGUMENTS: [(&str, &str); 5] = [
    ("limit", "first"),
    ("cursor", "after"),
    ("lot_id", "lotId"),
    ("vehicle_plate", "vehiclePlate"),
    ("state", "states"),
];

/// Converts a problem or a service error to the error of a field.
pub fn refused(problem: impl Into<Problem>) -> Error {
    let problem = problem.into();
    Error::new(named(&problem)).extend_with(|_, extensions| extensions.set(CODE, problem.code()))
}

/// The text of a problem with the names of arguments. A fault begins with the name of its parameter.
fn named(problem: &Problem) -> String {
    let renamed = problem.faults().iter().map(|fault| {
        let parameter = fault.parameter.as_deref().unwrap_or_default();
        let argument = ARGUMENTS.iter().find(|(name, _)| *name == parameter);
        let rest = argument.and_then(|(name, argument)| Some((argument, fault.detail.strip_prefix(name)?)));
        let detail = rest.map_or_else(|| fault.detail.clone(), |(argument, rest)| format!("{argument}{rest}"));
        detail.replace("a next_cursor", "an endCursor")
    });
    let renamed: Vec<String> = renamed.collect();
    if renamed.is_empty() { problem.detail().to_owned() } else { renamed.join("; ") }
}

/// Adds a code to an error that has none.
pub fn with_code(mut error: ServerError, kind: Kind) -> ServerError {
    let extensions = error.extensions.get_or_insert_default();
    if extensions.get(CODE).is_none() {
        extensions.set(CODE, kind.code());
    }
    error
}
