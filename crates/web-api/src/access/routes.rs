//! What each route needs: the one list from which requests are checked and the description of the API is made.
//!
//! A route that is missing here needs `read`, so a new route is never open by oversight.

use access::{Principal, Scope};

/// What a client needs to use a route. The service checks each call again, with its lots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needed {
    /// Nothing: the response is the same for every client and every ledger.
    Nothing,
    /// One of these scopes.
    OneOf(&'static [Scope]),
}

/// Routes with other needs than `read`.
const OTHERS: [(&str, Needed); 30] = [
    ("/openapi.json", Needed::Nothing),
    ("/problems/{kind}", Needed::Nothing),
    ("/graphql/schema.graphql", Needed::Nothing),
    ("/graphql/explorer.js", Needed::Nothing),
    ("/graphql/explorer.css", Needed::Nothing),
    ("/api/docs", Needed::Nothing),
    ("/api/docs/", Needed::Nothing),
    ("/api/docs/{file}", Needed::Nothing),
    ("/login", Needed::Nothing),
    ("/logout", Needed::Nothing),
    ("/api/v1/tokens", Needed::OneOf(&[Scope::Admin])),
    ("/api/v1/tokens/{id}", Needed::OneOf(&[Scope::Admin])),
    ("/api/v1/users", Needed::OneOf(&[Scope::Admin])),
    ("/api/v1/users/{name}", Needed::OneOf(&[Scope::Admin])),
    ("/api/v1/users/{name}/password", Needed::OneOf(&[Scope::Admin])),
    ("/api/v1/webhooks", Needed::OneOf(&[Scope::Admin])),
    ("/api/v1/webhooks/{id}", Needed::OneOf(&[Scope::Admin])),
    ("/api/v1/webhooks/{id}/pause", Needed::OneOf(&[Scope::Admin])),
    ("/api/v1/webhooks/{id}/resume", Needed::OneOf(&[Scope::Admin])),
    ("/api/v1/webhooks/{id}/replay", Needed::OneOf(&[Scope::Admin])),
    ("/api/v1/webhooks/{id}/rotate", Needed::OneOf(&[Scope::Admin])),
    ("/api/v1/webhooks/{id}/test", Needed::OneOf(&[Scope::Admin])),
    ("/save_summary", Needed::OneOf(&[Scope::Ingest])),
    ("/internal/v1/terms", Needed::OneOf(&[Scope::Record])),
    ("/internal/v1/load", Needed::OneOf(&[Scope::Record])),
    ("/internal/v1/record", Needed::OneOf(&[Scope::Record])),
    ("/internal/v1/due", Needed::OneOf(&[Scope::Record])),
    ("/internal/v1/report", Needed::OneOf(&[Scope::Record])),
    ("/internal/v1/verify", Needed::OneOf(&[Scope::Record, Scope::Admin])),
    ("/internal/v1/tokens", Needed::OneOf(&[Scope::Record, Scope::Ingest])),
];

/// What the route needs. `None` is a path without a route.
pub(super) fn needed(route: Option<&str>) -> Needed {
    let other = route.and_then(|route| OTHERS.iter().find(|(other, _)| *other == route));
    other.map_or(Needed::OneOf(&[Scope::Read]), |(_, needed)| *needed)
}

/// Whether a route needs no token. Includes the routes of `service_kit`, which are outside the layer.
pub(crate) fn is_for_everyone(route: &str) -> bool {
    matches!(route, "/metrics" | "/livez" | "/readyz") || needed(Some(route)) == Needed::Nothing
}

impl Needed {
    /// Checks a principal.
    ///
    /// # Errors
    /// What it lacks, as a sentence without its end.
    pub(super) fn check(self, principal: &Principal) -> Result<(), String> {
        match self {
            Self::Nothing => Ok(()),
            Self::OneOf(scopes) if scopes.iter().any(|scope| principal.may(*scope)) => Ok(()),
            Self::OneOf(scopes) => {
                let words: Vec<&str> = scopes.iter().map(|scope| scope.word()).collect();
                Err(format!("this needs a token with the scope {}", words.join(" or ")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_that_nobody_listed_needs_a_reader() {
        for route in [None, Some("/new"), Some("/api/v1/sessions"), Some("/")] {
            assert_eq!(needed(route), Needed::OneOf(&[Scope::Read]));
        }
    }

    #[test]
    fn every_listed_route_exists() {
        let described = crate::openapi().paths.paths;
        let others = ["/graphql/explorer.js", "/graphql/explorer.css", "/api/docs", "/api/docs/", "/api/docs/{file}"];
        let forms = crate::access::LOGIN_ROUTES.map(|(_, path)| path);
        for (route, _) in OTHERS {
            let is_there = described.contains_key(route) || others.contains(&route) || forms.contains(&route);
            assert!(is_there, "{route}");
        }
    }
}
