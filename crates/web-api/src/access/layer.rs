//! The layer of all routes that refuses requests: 401 without a valid token or login, 403 without the scope. A person
//! whose browser asks for a page is sent to the form instead of getting 401.
//!
//! It puts the [`Principal`](access::Principal) into the extensions of the requests that it lets through and of their
//! responses, and a [`Pass`] into those of the requests.

use std::sync::Arc;

use api::{Kind, Problem};
use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Redirect, Response};
use parking::Clock;

use super::routes::{Needed, needed};
use super::{Authenticator, Pass, Proof, login, own_page};

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

async fn admit(State(checked): State<Checked>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let needed = needed(route);
    if needed == Needed::Nothing {
        return next.run(request).await;
    }
    let (mut head, body) = request.into_parts();
    checked.authenticator.look_again(&head, checked.clock.now()).await;
    match checked.pass(&head, needed) {
        Ok(pass) => {
            let principal = pass.principal().clone();
            head.extensions.insert(principal.clone());
            head.extensions.insert(pass);
            let mut response = next.run(Request::from_parts(head, body)).await;
            response.extensions_mut().insert(principal);
            response
        }
        Err(problem) => {
            let is_sent = problem.status() == StatusCode::UNAUTHORIZED
                && checked.authenticator.sends_to_login(checked.clock.now());
            let form = if is_sent { login::address_for(&head) } else { None };
            form.map_or_else(|| problem.into_response(), |form| Redirect::to(&form).into_response())
        }
    }
}

impl Checked {
    fn pass(&self, head: &Parts, needed: Needed) -> Result<Pass, Problem> {
        let now = self.clock.now();
        let (principal, proof) = self.authenticator.principal(head, now)?;
        let is_of_login = matches!(proof, Proof::Login(_));
        if is_of_login && !own_page::is_safe(&head.method) && !own_page::is_proven(&head.headers) {
            return Err(Problem::new(Kind::Forbidden, own_page::REFUSAL));
        }
        needed.check(&principal).map_err(|why| Problem::new(Kind::Forbidden, why))?;
        self.authenticator.note_use(&proof, now);
        Ok(Pass::new(self.authenticator.clone(), Arc::clone(&self.clock), principal, proof))
    }
}
