//! The layer of all routes that refuses requests: 401 without a valid token, 403 without the scope.
//!
//! It puts the [`Principal`](access::Principal) into the extensions of the requests that it lets through and of their
//! responses, and a [`Pass`] into those of the requests.

use std::sync::Arc;

use access::{Gates, Grant, Lots, Scope};
use api::{Kind, Problem};
use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use parking::Clock;

use super::routes::{Needed, needed};
use super::{Authenticator, Pass, bearer};

/// The state of the layer.
#[derive(Debug, Clone)]
struct Checked {
    authenticator: Authenticator,
    clock: Arc<dyn Clock>,
}

/// The router behind the authenticator.
pub(crate) fn layer(router: Router, authenticator: &Authenticator, clock: &Arc<dyn Clock>) -> Router {
    router.layer(from_fn_with_state(Checked { authenticator: authenticator.clone(), clock: Arc::clone(clock) }, admit))
}

/// Routes of another service on the same port that take gate events. They do not look at the lots of a token, so they need
/// the scope `ingest` for all lots and gates.
pub fn takes_events(router: Router, authenticator: &Authenticator, clock: &Arc<dyn Clock>) -> Router {
    router.layer(from_fn_with_state(
        Checked { authenticator: authenticator.clone(), clock: Arc::clone(clock) },
        admit_events,
    ))
}

async fn admit_events(State(checked): State<Checked>, request: Request, next: Next) -> Response {
    match checked.pass(&request, Needed::OneOf(&[Scope::Ingest])) {
        Ok(pass) if !is_for_all_gates(pass.principal().grant()) => {
            let why = "this needs a token with the scope ingest for all lots and gates";
            Problem::new(Kind::Forbidden, why).into_response()
        }
        Ok(_) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

fn is_for_all_gates(grant: &Grant) -> bool {
    *grant.lots() == Lots::All && *grant.gates() == Gates::All
}

async fn admit(State(checked): State<Checked>, mut request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let needed = needed(route);
    if needed == Needed::Nothing {
        return next.run(request).await;
    }
    match checked.pass(&request, needed) {
        Ok(pass) => {
            let principal = pass.principal().clone();
            request.extensions_mut().insert(principal.clone());
            request.extensions_mut().insert(pass);
            let mut response = next.run(request).await;
            response.extensions_mut().insert(principal);
            response
        }
        Err(problem) => problem.into_response(),
    }
}

impl Checked {
    fn pass(&self, request: &Request, needed: Needed) -> Result<Pass, Problem> {
        let headers = request.headers();
        let principal = self.authenticator.principal(request.uri().path(), headers, self.clock.now())?;
        needed.check(&principal).map_err(|why| Problem::new(Kind::Forbidden, why))?;
        Ok(Pass::new(self.authenticator.clone(), Arc::clone(&self.clock), principal, bearer(headers)?))
    }
}
