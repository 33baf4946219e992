//! OpenAPI schemas that no derive can make: strings with all their values.

use ledger::WebhookKind;
use matching::{Cause, Rule};
use parking::{Door, Reason, Source, State};
use sessions::trail::StageKind;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Schema, SchemaType, Type};

/// The state of a session.
pub fn state() -> Schema {
    let words = State::ALL.iter().map(|state| state.as_str());
    word("The state.", Type::String.into(), words.map(Into::into))
}

/// The state of a session before a change; null for a new session.
pub fn state_before() -> Schema {
    let words = State::ALL.iter().map(|state| state.as_str().into());
    let null = std::iter::once(serde_json::Value::Null);
    word(
        "The state before the change; null for a new session.",
        SchemaType::from_iter([Type::String, Type::Null]),
        words.chain(null),
    )
}

/// The reason why a session is unmatched, or null.
pub fn reason() -> Schema {
    let words = Reason::ALL.iter().map(|reason| reason.as_str().into());
    let null = std::iter::once(serde_json::Value::Null);
    word(
        "The reason why the session is unmatched; null for all others.",
        SchemaType::from_iter([Type::String, Type::Null]),
        words.chain(null),
    )
}

/// The source of a session.
pub fn source() -> Schema {
    let words = Source::ALL.iter().map(|source| source.as_str());
    word(
        "The source of the session: gate events, or a summary that a client saved.",
        Type::String.into(),
        words.map(Into::into),
    )
}

/// The rule that gave a session its state.
pub fn rule() -> Schema {
    word(
        "The rule that gave the session its state.",
        Type::String.into(),
        Rule::ALL.iter().map(|rule| rule.as_str().into()),
    )
}

/// The rule that caused a change; null for a saved summary.
pub fn rule_of_change() -> Schema {
    let words = Rule::ALL.iter().map(|rule| rule.as_str().into());
    let null = std::iter::once(serde_json::Value::Null);
    word(
        "The rule that caused the change; null for a saved summary.",
        SchemaType::from_iter([Type::String, Type::Null]),
        words.chain(null),
    )
}

/// The reason why a rule applies.
pub fn cause() -> Schema {
    word("The reason why the rule applies.", Type::String.into(), Cause::WORDS.iter().map(|word| (*word).into()))
}

/// What a look-up found.
pub fn look_up_outcome() -> Schema {
    let words = ["exact", "similar", "none", "unread"];
    let description = "exact: the open session of this plate is in open_session. similar: open sessions of similar plates \
                       are in entries. none: there is neither. unread: the plate says that nothing was read.";
    word(description, Type::String.into(), words.map(Into::into).into_iter())
}

/// The door through which an event came in.
pub fn door() -> Schema {
    word("The door.", Type::String.into(), Door::ALL.iter().map(|door| door.as_str().into()))
}

/// A stage of an event's way.
pub fn stage() -> Schema {
    word("The stage.", Type::String.into(), StageKind::ALL.iter().map(|stage| stage.as_str().into()))
}

/// The kinds of changes that a webhook gets.
pub fn webhook_kinds() -> Schema {
    let words = WebhookKind::ALL.map(WebhookKind::as_str);
    let kind = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words));
    ArrayBuilder::new().items(kind).min_items(Some(1)).description(Some("The kinds of changes.")).build().into()
}

/// The state of a webhook.
pub fn webhook_state() -> Schema {
    word("The state.", Type::String.into(), ["active", "failing", "paused"].into_iter().map(Into::into))
}

fn word(description: &str, kind: SchemaType, words: impl Iterator<Item = serde_json::Value>) -> Schema {
    ObjectBuilder::new().schema_type(kind).description(Some(description)).enum_values(Some(words)).build().into()
}
