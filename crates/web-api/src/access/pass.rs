//! The pass of a request that was let through: its principal, and whether its token or login still holds.
//!
//! A response that takes long, such as a live feed, asks again while it runs.

use std::sync::Arc;
use std::time::Duration;

use access::Principal;
use parking::Clock;
use tokio::time::{Instant, Interval, MissedTickBehavior};

use super::{Authenticator, Proof};

/// The interval at which an endless response compares its token or login with the known ones.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// A request that was let through. An extension of it.
#[derive(Debug, Clone)]
pub(crate) struct Pass {
    authenticator: Authenticator,
    clock: Arc<dyn Clock>,
    principal: Principal,
    proof: Proof,
}

impl Pass {
    pub(super) fn new(authenticator: Authenticator, clock: Arc<dyn Clock>, principal: Principal, proof: Proof) -> Self {
        Self { authenticator, clock, principal, proof }
    }

    /// The sender of the request.
    pub(crate) fn principal(&self) -> &Principal {
        &self.principal
    }

    /// Whether the request comes from this machine, and needs no token.
    pub(crate) fn is_local(&self) -> bool {
        self.authenticator.is_local()
    }

    /// Whether the request would be let through again, with the same rights.
    fn holds(&self) -> bool {
        let now = self.clock.now();
        let principal = match &self.proof {
            Proof::Nothing => return true,
            Proof::Token(shown) => self.authenticator.of_token(shown.expose(), now).ok(),
            // An endless response is no use of the login session: the tab may be forgotten.
            Proof::Login(hash) => self.authenticator.of_login(*hash, now),
        };
        principal.is_some_and(|principal| principal == self.principal)
    }

    /// Checks the pass each second, for an endless response.
    pub(crate) fn checks(self) -> Checks {
        let mut interval = tokio::time::interval_at(Instant::now() + CHECK_INTERVAL, CHECK_INTERVAL);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Checks { pass: self, interval }
    }
}

/// The checks of one pass.
#[derive(Debug)]
pub(crate) struct Checks {
    pass: Pass,
    interval: Interval,
}

impl Checks {
    /// Returns when the pass has ended. May be cancelled and called again.
    pub(crate) async fn ended(&mut self) {
        loop {
            self.interval.tick().await;
            if !self.pass.holds() {
                return;
            }
        }
    }
}
