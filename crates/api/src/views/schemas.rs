//! Schemas that no derive can make: words with all their values.

use matching::{Cause, Rule};
use parking::{Reason, Source, State};
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};

/// Where a session stands.
pub fn state() -> Schema {
    let words = State::ALL.iter().map(|state| state.as_str());
    word("Where it stands.", Type::String.into(), words.map(Into::into))
}

/// Where a session stood before a change.
pub fn state_before() -> Schema {
    let words = State::ALL.iter().map(|state| state.as_str().into());
    let null = std::iter::once(serde_json::Value::Null);
    word("Where it stood before.", SchemaType::from_iter([Type::String, Type::Null]), words.chain(null))
}

/// Why a session is unmatched.
pub fn reason() -> Schema {
    let words = Reason::ALL.iter().map(|reason| reason.as_str().into());
    let null = std::iter::once(serde_json::Value::Null);
    word("Why it is unmatched.", SchemaType::from_iter([Type::String, Type::Null]), words.chain(null))
}

/// Where a session comes from.
pub fn source() -> Schema {
    let words = Source::ALL.iter().map(|source| source.as_str());
    word("Gate events, or a summary that a client saved.", Type::String.into(), words.map(Into::into))
}

/// Why a session is in its state, as the ledger has it.
pub fn rule() -> Schema {
    word("The rule.", Type::String.into(), Rule::ALL.iter().map(|rule| rule.as_str().into()))
}

/// The same of a change, which a saved summary makes without one.
pub fn rule_of_change() -> Schema {
    let words = Rule::ALL.iter().map(|rule| rule.as_str().into());
    let null = std::iter::once(serde_json::Value::Null);
    word("The rule.", SchemaType::from_iter([Type::String, Type::Null]), words.chain(null))
}

/// Why a rule applies.
pub fn cause() -> Schema {
    word("Why the rule applies.", Type::String.into(), Cause::WORDS.iter().map(|word| (*word).into()))
}

fn word(description: &str, kind: SchemaType, words: impl Iterator<Item = serde_json::Value>) -> Schema {
    ObjectBuilder::new().schema_type(kind).description(Some(description)).enum_values(Some(words)).build().into()
}
