//! Is it a gate event that may be published? What is published is the sender's own JSON text.

use memchr::memmem;
use parking::wire::parse_event;
use parking::{GateEvent, Refusal};
use serde::Deserialize;
use serde_json::value::RawValue;

/// The versions of a gate event that are known. A gate event without `schema_version` is of version 1.
const SCHEMA_VERSIONS: [u64; 1] = [1];

/// Looks at one gate event.
///
/// # Errors
/// The member that is wrong, and why.
pub(crate) fn examine(json: &[u8]) -> Result<GateEvent, Refusal> {
    let event = parse_event(json)?.event;
    check_schema_version(json)?;
    Ok(event)
}

fn check_schema_version(json: &[u8]) -> Result<(), Refusal> {
    const MEMBER: &str = "schema_version";
    #[derive(Deserialize)]
    struct Versioned<'a> {
        #[serde(borrow)]
        schema_version: Option<&'a RawValue>,
    }
    // Nearly all events have none.
    if memmem::find(json, MEMBER.as_bytes()).is_none() {
        return Ok(());
    }
    let Ok(Versioned { schema_version: Some(version) }) = serde_json::from_slice(json) else { return Ok(()) };
    match version.get().parse() {
        Ok(version) if SCHEMA_VERSIONS.contains(&version) => Ok(()),
        Ok(_) => Err(Refusal::new(MEMBER, "is not known here; known is 1")),
        Err(_) => Err(Refusal::new(MEMBER, "is not a whole number; known is 1")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parking::Direction;

    fn problem(more: &str) -> Result<Direction, String> {
        let json = format!(
            r#"{{"id":"9b810e76-6ec9-4286-a3ca-828dd5f4b3b2","vehicle_plate":"AB1","exit_date_time":"2024-09-24T09:00:00Z"{more}}}"#
        );
        examine(json.as_bytes()).map(|event| event.key.direction).map_err(|refusal| refusal.to_string())
    }

    /// Every version that was ever accepted stays accepted.
    #[test]
    fn every_version_has_a_golden_event_that_is_taken() {
        for version in SCHEMA_VERSIONS {
            let path = format!("{}/golden/gate-event-{version}.json", env!("CARGO_MANIFEST_DIR"));
            examine(&std::fs::read(path).unwrap()).unwrap();
        }
    }

    #[test]
    fn an_unknown_version_is_refused_with_what_is_known() {
        assert_eq!(problem(""), Ok(Direction::Exit));
        assert_eq!(problem(r#","schema_version":1"#), Ok(Direction::Exit));
        assert_eq!(problem(r#","note":"schema_version""#), Ok(Direction::Exit));
        assert_eq!(problem(r#","schema_version":2"#), Err("schema_version is not known here; known is 1".into()));
        assert!(problem(r#","schema_version":"1""#).is_err());
        assert!(problem(r#","exit_date_time":"2024-09-24T09:00:00Z""#).unwrap_err().contains("twice"));
    }
}
