//! Classifies the errors of `PostgreSQL` by whether a retry can help.

use deadpool_postgres::PoolError;
use tokio_postgres::error::SqlState;

use crate::Error;

/// Why an attempt failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// The server is down or busy, or another transaction conflicted: a retry may succeed soon.
    Passing(String),
    /// Another transaction changed what this one read: a retry with locks succeeds. The error is for when it does not.
    Conflict(Error),
    /// A retry will not help.
    Lasting(Error),
}

/// The index that allows a vehicle once.
const VEHICLE_INDEX: &str = "vehicle_plate";

impl Failure {
    /// Another transaction changed a vehicle that this one read.
    pub(super) fn contended() -> Self {
        Self::Conflict(Error::Unavailable("other transactions change the same vehicles again and again".into()))
    }

    /// Converts the failure into the port's error.
    pub(super) fn into_error(self) -> Error {
        match self {
            Self::Passing(reason) => Error::Unavailable(reason),
            Self::Conflict(error) | Self::Lasting(error) => error,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Unavailable(reason) => Self::Passing(reason),
            error @ (Error::Config(_) | Error::InUse(_) | Error::Replaced(_) | Error::Corrupt(_)) => {
                Self::Lasting(error)
            }
        }
    }
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(answer) = error.as_db_error() else { return without_answer(&error) };
        // The error's detail may contain a plate, so it is left out.
        let code = answer.code();
        let text = format!("PostgreSQL reports: {} ({})", answer.message(), code.code());
        let class = code.code().get(..2).unwrap_or_default();
        match class {
            // The classes of SQLSTATE: connection, conflict with another transaction, no resources, wrong state
            // (locked, in use, not accepting connections), operator intervention, lost disk.
            "08" | "40" | "53" | "55" | "57" | "58" => Self::Passing(text),
            "28" | "3D" | "3F" | "42" if is_for_a_person(code) => Self::Lasting(Error::Config(format!(
                "{text}: check user, password, database and rights in DWELL_DATABASE_URL"
            ))),
            // A statement before it failed, and its answer may come later.
            _ if *code == SqlState::IN_FAILED_SQL_TRANSACTION => Self::Passing(text),
            _ if *code == SqlState::READ_ONLY_SQL_TRANSACTION => Self::Passing(text),
            // Of two transactions that create a vehicle or a session, the second finds it there.
            _ if answer.constraint() == Some(VEHICLE_INDEX) => Self::contended(),
            _ if *code == SqlState::UNIQUE_VIOLATION => Self::Conflict(Error::Corrupt(text)),
            _ => Self::Lasting(Error::Corrupt(text)),
        }
    }
}

fn is_for_a_person(code: &SqlState) -> bool {
    !code.code().starts_with("42") || *code == SqlState::INSUFFICIENT_PRIVILEGE
}

/// The server did not answer, or its answer has the wrong types.
fn without_answer(error: &tokio_postgres::Error) -> Failure {
    // The message is only "error communicating with the server"; its source has the cause.
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    let is_wrong_value = text.contains("deserializing column") || text.contains("serializing parameter");
    if is_wrong_value { Failure::Lasting(Error::Corrupt(text)) } else { Failure::Passing(text) }
}

impl From<PoolError> for Failure {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Backend(error) => error.into(),
            error @ (PoolError::Timeout(_)
            | PoolError::Closed
            | PoolError::NoRuntimeSpecified
            | PoolError::PostCreateHook(_)) => Self::Passing(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_unavailable_inside_may_be_tried_again() {
        let passing = Failure::from(Error::Unavailable("later".into()));
        assert!(matches!(&passing, Failure::Passing(_)));
        assert_eq!(passing.into_error(), Error::Unavailable("later".into()));
        assert!(matches!(Failure::from(Error::Corrupt("never".into())), Failure::Lasting(_)));
    }
}
