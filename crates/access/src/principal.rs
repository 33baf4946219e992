//! Principals: who sends a request, and what they may do.
//!
//! Every function that answers a question or records something takes a [`Principal`] and asks it. How a request shows
//! who sent it is left to [`Tokens`](crate::Tokens), [`LoginSession`](crate::LoginSession) and
//! [`Access`](crate::Access).

use std::fmt;
use std::sync::Arc;

use parking::{GateId, LotId};

use crate::{Gates, Grant, Lots, Scope, Scopes, TokenId, UserName};

/// Who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// Any program or person on this machine, while Dwell listens on loopback only.
    Local,
    /// Anybody, while access is open.
    Anonymous,
    /// A worker of Dwell itself, by its name.
    System(&'static str),
    /// A machine.
    Token {
        /// The token's public part.
        id: TokenId,
        /// What the operator calls it.
        name: String,
    },
    /// A person who signed in.
    User(UserName),
    /// A person whom a trusted reverse proxy named.
    Proxied(UserName),
}

impl fmt::Display for Who {
    /// A name that no two principals share: for the audit log, and as the key of limits.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local => formatter.write_str("local"),
            Self::Anonymous => formatter.write_str("anonymous"),
            Self::System(part) => write!(formatter, "system:{part}"),
            Self::Token { id, .. } => write!(formatter, "token:{id}"),
            Self::User(name) => write!(formatter, "user:{name}"),
            Self::Proxied(name) => write!(formatter, "proxied:{name}"),
        }
    }
}

/// Who sends a request, and what they may do. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal(Arc<Identity>);

#[derive(Debug, PartialEq, Eq)]
struct Identity {
    who: Who,
    grant: Grant,
}

/// Why a principal may not do something. The text names no secret and no plate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// It lacks a scope.
    #[error("this needs the scope {0}")]
    Scope(Scope),
    /// It would give others rights that it lacks.
    #[error("this needs every scope, lot and gate of the token or user that it is about")]
    Beyond,
    /// Its `ingest` does not hold for the lot. That holds for lots that do not exist, too, so it tells nothing.
    #[error("events of the lot {0} are not accepted from this sender")]
    Lot(LotId),
    /// Its `ingest` holds for a list of gates.
    #[error("events of the lot {lot} are accepted from this sender only for the gates that it was given")]
    Gate {
        /// The lot of the event.
        lot: LotId,
    },
}

impl Principal {
    /// A principal with a grant of its own.
    pub fn new(who: Who, grant: Grant) -> Self {
        Self(Arc::new(Identity { who, grant }))
    }

    /// A sender on this machine, while Dwell listens on loopback only: everything is allowed.
    pub fn local() -> Self {
        Self::new(Who::Local, Grant::everything())
    }

    /// Any sender, while access is open: all work but that of correlators and administrators. What those leave behind
    /// (forged sessions, further tokens) would outlast the day on which access is closed again.
    pub fn anonymous() -> Self {
        let scopes = Scopes::all().without(Scope::Record).without(Scope::Admin);
        let grant = Grant::new(scopes, Lots::All, Gates::All).expect("it has scopes, and all lots and gates");
        Self::new(Who::Anonymous, grant)
    }

    /// A correlator that sends the shared secret of `/internal/v1`: it may load and record, and ask for nothing else.
    pub fn correlator() -> Self {
        let scopes = [Scope::Record].into_iter().collect();
        let grant = Grant::new(scopes, Lots::All, Gates::All).expect("it has a scope, and all lots and gates");
        Self::new(Who::System("correlator"), grant)
    }

    /// A worker of Dwell itself: everything is allowed.
    pub fn system(part: &'static str) -> Self {
        Self::new(Who::System(part), Grant::everything())
    }

    /// Who it is.
    pub fn who(&self) -> &Who {
        &self.0.who
    }

    /// The name of the person, if it is one who signed in here.
    pub fn person(&self) -> Option<&str> {
        match self.who() {
            Who::User(name) => Some(name.as_str()),
            Who::Local | Who::Anonymous | Who::System(_) | Who::Token { .. } | Who::Proxied(_) => None,
        }
    }

    /// Scopes, lots and gates.
    pub fn grant(&self) -> &Grant {
        &self.0.grant
    }

    /// The lots that it may see. A question is narrowed to them by [`Lots::narrowed`].
    pub fn lots(&self) -> &Lots {
        self.0.grant.lots()
    }

    /// Whether it has the scope.
    pub fn may(&self, scope: Scope) -> bool {
        self.0.grant.scopes().contains(scope)
    }

    /// Refuses a principal without the scope.
    ///
    /// # Errors
    /// Which scope is missing.
    pub fn require(&self, scope: Scope) -> Result<(), Denied> {
        if self.may(scope) { Ok(()) } else { Err(Denied::Scope(scope)) }
    }

    /// Refuses a principal that may not manage a token or a user with this grant: one who creates it, or sets its
    /// password, could use it.
    ///
    /// # Errors
    /// It is no administrator, or lacks a scope, a lot or a gate of the grant.
    pub fn check_grants(&self, grant: &Grant) -> Result<(), Denied> {
        self.require(Scope::Admin)?;
        if self.0.grant.covers(grant) { Ok(()) } else { Err(Denied::Beyond) }
    }

    /// Whether it may see anything of the lot. Where it may not, the answer is that of a lot that does not exist.
    pub fn sees(&self, lot: &LotId) -> bool {
        self.lots().contains(lot)
    }

    /// Refuses an event that it may not report.
    ///
    /// # Errors
    /// Whether the scope, the lot or the gate is not its own.
    pub fn check_ingest(&self, lot: &LotId, gate: Option<&GateId>) -> Result<(), Denied> {
        self.require(Scope::Ingest)?;
        if !self.sees(lot) {
            return Err(Denied::Lot(lot.clone()));
        }
        if !self.0.grant.gates().contains(gate) {
            return Err(Denied::Gate { lot: lot.clone() });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(scopes: &str, lots: &str, gates: &str) -> Principal {
        let (scopes, lots) = (Scopes::parse(scopes).unwrap(), Lots::parse(lots).unwrap());
        Principal::new(Who::Local, Grant::new(scopes, lots, Gates::parse(gates).unwrap()).unwrap())
    }

    fn lot(name: &str) -> LotId {
        LotId::parse(name).unwrap()
    }

    #[test]
    fn each_scope_opens_exactly_its_own_work() {
        for given in Scope::ALL {
            let scopes: Scopes = [given, Scope::Read].into_iter().collect();
            let principal = with(&scopes.to_string(), "*", "*");
            for asked in Scope::ALL {
                let expected = if scopes.contains(asked) { Ok(()) } else { Err(Denied::Scope(asked)) };
                assert_eq!(principal.require(asked), expected, "{given} was given, {asked} asked");
            }
        }
    }

    #[test]
    fn a_foreign_lot_is_refused_in_the_words_of_one_that_is_not_there() {
        let gate = with("ingest", "P1", "*");
        let foreign = gate.check_ingest(&lot("P2"), None).unwrap_err().to_string();
        let absent = gate.check_ingest(&lot("P9"), None).unwrap_err().to_string();
        assert_eq!(foreign.replace("P2", "P9"), absent);
        assert!(gate.sees(&lot("P1")) && !gate.sees(&lot("P2")));
    }

    #[test]
    fn an_administrator_grants_only_what_it_has_itself() {
        let of = |scopes: &str| with(scopes, "*", "*").grant().clone();
        assert_eq!(with("admin,read", "*", "*").check_grants(&of("read")), Ok(()));
        assert_eq!(with("admin,read", "*", "*").check_grants(&of("read,read_plate")), Err(Denied::Beyond));
        assert_eq!(with("read", "*", "*").check_grants(&of("read")), Err(Denied::Scope(Scope::Admin)));
    }

    #[test]
    fn an_event_is_taken_from_its_own_gate_only() {
        let principal = with("ingest", "P1", "in-1");
        let gate = |name: &str| GateId::parse(name).unwrap();
        assert_eq!(principal.check_ingest(&lot("P1"), Some(&gate("in-1"))), Ok(()));
        let refused = Err(Denied::Gate { lot: lot("P1") });
        assert_eq!(principal.check_ingest(&lot("P1"), Some(&gate("in-2"))), refused);
        assert_eq!(principal.check_ingest(&lot("P1"), None), refused);
        assert_eq!(with("read", "*", "*").check_ingest(&lot("P1"), None), Err(Denied::Scope(Scope::Ingest)));
    }

    #[test]
    fn principals_without_a_record_have_exactly_the_work_that_is_theirs() {
        let anonymous = Principal::anonymous();
        assert!(anonymous.may(Scope::Read) && anonymous.may(Scope::ReadPlate) && anonymous.may(Scope::Ingest));
        assert!(!anonymous.may(Scope::Record) && !anonymous.may(Scope::Admin));
        let correlator = Principal::correlator();
        assert!(Scope::ALL.into_iter().all(|scope| correlator.may(scope) == (scope == Scope::Record)));
        for all in [Principal::local(), Principal::system("retention")] {
            assert!(Scope::ALL.into_iter().all(|scope| all.may(scope)) && all.lots() == &Lots::All);
        }
    }
}
