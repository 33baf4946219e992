//! The extractor by which a handler gets the service as the sender of the request may use it.

use access::Principal;
use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use sessions::{ScopedService, Service};

use crate::problem::{Kind, Problem};

/// The service as the sender of the request may use it. The layer that finds the sender has put its [`Principal`] into
/// the extensions of the request; a request without one is refused.
#[derive(Debug, Clone)]
pub struct Scoped(pub ScopedService);

impl<S: Send + Sync> FromRequestParts<S> for Scoped
where
    Service: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let principal = parts.extensions.get::<Principal>().cloned();
        let principal = principal.ok_or_else(|| Problem::new(Kind::Unauthorized, Kind::Unauthorized.meaning()))?;
        Ok(Self(Service::from_ref(state).scoped(principal)))
    }
}
