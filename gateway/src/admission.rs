//! The layer of all routes that lets senders in or turns them away, and puts a [`Pass`] into the extensions of requests.
//!
//! What a sender has to show is left to `entrance`.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use service_kit::http::RemoteNetwork;

use crate::Gateway;
use crate::entrance::credentials::{self, Shown};
use crate::entrance::{Pass, TurnedAway};
use crate::problem::Problem;

/// Lets a request in.
pub(crate) async fn admit(State(gateway): State<Arc<Gateway>>, mut request: Request, next: Next) -> Response {
    let remote = request.extensions().get::<RemoteNetwork>();
    let from = remote.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |remote| remote.0);
    let (head, body) = request.into_parts();
    let shown = credentials::of_request(&head);
    request = Request::from_parts(head, body);
    match gateway.admit(shown, from) {
        Ok(pass) => {
            request.headers_mut().remove(header::AUTHORIZATION);
            request.extensions_mut().insert(pass);
            next.run(request).await
        }
        Err(turned_away) => Problem::of_turned_away(&turned_away).into_response(),
    }
}

impl Gateway {
    /// The pass of a sender. One that does not get in is counted and logged, because cameras rarely show an answer.
    ///
    /// # Errors
    /// Why it does not get in.
    pub(crate) fn admit(&self, shown: Shown, from: IpAddr) -> Result<Pass, TurnedAway> {
        self.entrance.admit(shown, from).inspect_err(|turned_away| {
            self.metrics.turned_away.with_label_values(&[turned_away.reason()]).inc();
            let line = || tracing::warn!(address = %from, reason = %turned_away, "sender turned away");
            self.context.decisions.decision("sender_turned_away", line);
        })
    }
}
