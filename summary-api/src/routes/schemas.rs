//! Schemas that no derive can make: words with all their values, and bodies that are not JSON.

use matching::wire;
use parking::{Reason, Source, State};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};
use utoipa::{PartialSchema, ToSchema};

/// Where a session stands.
pub(super) fn state() -> Schema {
    let words = State::ALL.iter().map(|state| state.as_str());
    word("Where it stands.", Type::String.into(), words.map(Into::into))
}

/// Why a session is unmatched.
pub(super) fn reason() -> Schema {
    let words = Reason::ALL.iter().map(|reason| reason.as_str().into());
    let null = std::iter::once(serde_json::Value::Null);
    word("Why it is unmatched.", SchemaType::from_iter([Type::String, Type::Null]), words.chain(null))
}

/// Where a session comes from.
pub(super) fn source() -> Schema {
    let words = Source::ALL.iter().map(|source| source.as_str());
    word("Gate events, or a summary that a client saved.", Type::String.into(), words.map(Into::into))
}

fn word(description: &str, kind: SchemaType, words: impl Iterator<Item = serde_json::Value>) -> Schema {
    ObjectBuilder::new().schema_type(kind).description(Some(description)).enum_values(Some(words)).build().into()
}

/// A body in postcard.
pub(super) struct Postcard;

impl PartialSchema for Postcard {
    fn schema() -> RefOr<Schema> {
        let any = ObjectBuilder::new().schema_type(SchemaType::AnyValue).content_media_type(wire::MEDIA_TYPE);
        Schema::from(any.build()).into()
    }
}

impl ToSchema for Postcard {}
