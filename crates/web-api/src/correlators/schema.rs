//! The OpenAPI schema of a postcard body.

use recorder::wire;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType};
use utoipa::{PartialSchema, ToSchema};

/// A postcard body.
pub(super) struct Postcard;

impl PartialSchema for Postcard {
    fn schema() -> RefOr<Schema> {
        let any = ObjectBuilder::new().schema_type(SchemaType::AnyValue).content_media_type(wire::MEDIA_TYPE);
        Schema::from(any.build()).into()
    }
}

impl ToSchema for Postcard {}
