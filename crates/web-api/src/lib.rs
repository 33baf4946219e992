//! The HTTP faces of the ledger's owner: routes that record sessions and read them.
//!
//! - `rest`: `/api/v1` and `POST /save_summary`; `correlators`: `/internal/v1`.
//! - `graphql`: the GraphQL schema and its query cache.
//! - `live`: the live feed of committed changes.
//! - `openapi`, `reference`: the OpenAPI description, and a page that shows it.
//! - `access`: the principal of each request, and what each route needs; `plate_in_address`: where a plate may be.
//! - [`app`]: all routes and the operator's page as one router, with their common layers.
//!
//! Start reading at [`router`]. No database is known here: `summary-api` opens the ledger, reads the configuration and
//! serves. Recording and reading sessions is in `sessions`, the JSON views are in `api`, and the operator's page is in
//! `operator-page`.

mod access;
pub mod app;
mod body;
mod correlators;
mod graphql;
mod limits;
mod live;
mod metrics;
mod openapi;
mod plate_in_address;
mod reference;
mod rest;

pub use crate::access::Authenticator;
pub use app::router;
pub use correlators::INTERNAL_CALLS_MAX;
pub use graphql::cache::{AnswerCache, QueryCache};
pub use openapi::openapi;
