//! What a token or a person is given: scopes, the lots they hold for, and the gates that may report.
//!
//! Combinations that would give more than they say, or nothing at all, are refused when they are made, so that no check
//! has to think of them.

use std::collections::BTreeSet;
use std::fmt;

use parking::GateId;

use crate::{Lots, Scope, Scopes};

/// The gates that `ingest` holds for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gates {
    /// Every gate of the lots, and events that name none.
    All,
    /// These gates of the lots. An event has to name its gate.
    Only(BTreeSet<GateId>),
}

impl Gates {
    /// These gates.
    pub fn only(gates: impl IntoIterator<Item = GateId>) -> Self {
        Self::Only(gates.into_iter().collect())
    }

    /// Whether an event of this gate, or of none, may be reported.
    pub fn contains(&self, gate: Option<&GateId>) -> bool {
        match self {
            Self::All => true,
            Self::Only(gates) => gate.is_some_and(|gate| gates.contains(gate)),
        }
    }

    fn cover(&self, others: &Self) -> bool {
        match (self, others) {
            (Self::All, _) => true,
            (Self::Only(_), Self::All) => false,
            (Self::Only(gates), Self::Only(others)) => others.is_subset(gates),
        }
    }

    /// Reads the names of gates separated by commas, or `*`, as [`Display`](fmt::Display) writes them.
    ///
    /// # Errors
    /// What is wrong with a name, as the end of a sentence.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        match text.trim() {
            Lots::ALL_WORD => Ok(Self::All),
            names => names.split(',').map(|name| GateId::parse(name.trim())).collect::<Result<_, _>>().map(Self::Only),
        }
    }
}

impl fmt::Display for Gates {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => formatter.write_str(Lots::ALL_WORD),
            Self::Only(gates) => {
                let names: Vec<&str> = gates.iter().map(GateId::as_str).collect();
                formatter.write_str(&names.join(","))
            }
        }
    }
}

/// Scopes, lots and gates that fit together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    scopes: Scopes,
    lots: Lots,
    gates: Gates,
}

/// Why scopes, lots and gates do not fit together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GrantFault {
    /// It would allow nothing.
    #[error("has no scope; give at least one of ingest, record, read, read_plate, correct and admin")]
    NoScope,
    /// It would allow nothing.
    #[error("has no lot; name at least one, or * for all")]
    NoLot,
    /// Plates are read in what `read` shows.
    #[error("has the scope read_plate without read; give both")]
    PlateWithoutRead,
    /// A correlator serves queues that carry the events of every lot, and an administrator could grant other lots.
    #[error("has the scope {0} for some lots only; {0} holds for all lots, so its lots have to be *")]
    SomeLots(Scope),
    /// A list of gates limits `ingest` alone, which would be easy to take for a limit on reading.
    #[error("names gates without the scope ingest; leave them out")]
    GatesWithoutIngest,
    /// It would allow nothing.
    #[error("has an empty list of gates; name at least one, or leave the list out")]
    NoGate,
}

impl Grant {
    /// Takes what fits together.
    ///
    /// # Errors
    /// What does not, as the end of a sentence.
    pub fn new(scopes: Scopes, lots: Lots, gates: Gates) -> Result<Self, GrantFault> {
        if scopes.is_empty() {
            return Err(GrantFault::NoScope);
        }
        if lots.is_empty() {
            return Err(GrantFault::NoLot);
        }
        if scopes.contains(Scope::ReadPlate) && !scopes.contains(Scope::Read) {
            return Err(GrantFault::PlateWithoutRead);
        }
        let of_all = [Scope::Record, Scope::Admin].into_iter().find(|scope| scopes.contains(*scope));
        if let (Some(scope), Lots::Only(_)) = (of_all, &lots) {
            return Err(GrantFault::SomeLots(scope));
        }
        if let Gates::Only(gates) = &gates {
            if gates.is_empty() {
                return Err(GrantFault::NoGate);
            }
            if !scopes.contains(Scope::Ingest) {
                return Err(GrantFault::GatesWithoutIngest);
            }
        }
        Ok(Self { scopes, lots, gates })
    }

    /// Every scope, lot and gate.
    pub fn everything() -> Self {
        Self { scopes: Scopes::all(), lots: Lots::All, gates: Gates::All }
    }

    /// Whether every right of `other` is one of these: only such a grant may be given to others.
    pub fn covers(&self, other: &Self) -> bool {
        other.scopes.iter().all(|scope| self.scopes.contains(scope)) && self.covers_places(other)
    }

    /// Whether every lot and gate of `other` is one of these.
    pub fn covers_places(&self, other: &Self) -> bool {
        self.lots.cover(&other.lots) && self.gates.cover(&other.gates)
    }

    /// The scopes.
    pub const fn scopes(&self) -> Scopes {
        self.scopes
    }

    /// The lots that the scopes hold for.
    pub const fn lots(&self) -> &Lots {
        &self.lots
    }

    /// The gates that `ingest` holds for.
    pub const fn gates(&self) -> &Gates {
        &self.gates
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(scopes: &str, lots: &str, gates: Gates) -> Result<Grant, GrantFault> {
        Grant::new(Scopes::parse(scopes).unwrap(), Lots::parse(lots).unwrap(), gates)
    }

    fn gate(name: &str) -> GateId {
        GateId::parse(name).unwrap()
    }

    #[test]
    fn what_would_allow_nothing_is_refused() {
        assert_eq!(grant("", "*", Gates::All), Err(GrantFault::NoScope));
        assert_eq!(grant("read", "", Gates::All), Err(GrantFault::NoLot));
        assert_eq!(grant("read_plate", "*", Gates::All), Err(GrantFault::PlateWithoutRead));
        assert_eq!(grant("ingest", "P1", Gates::only([])), Err(GrantFault::NoGate));
    }

    #[test]
    fn what_would_allow_more_than_it_says_is_refused() {
        assert_eq!(grant("admin", "P1", Gates::All), Err(GrantFault::SomeLots(Scope::Admin)));
        assert_eq!(grant("record", "P1", Gates::All), Err(GrantFault::SomeLots(Scope::Record)));
        assert_eq!(grant("read", "P1", Gates::only([gate("in-1")])), Err(GrantFault::GatesWithoutIngest));
    }

    #[test]
    fn a_grant_covers_those_with_no_further_scope_lot_or_gate() {
        let of = |scopes: &str, lots: &str, gates: &str| grant(scopes, lots, Gates::parse(gates).unwrap()).unwrap();
        let all = Grant::everything();
        let some = of("ingest,read", "P1,P2", "in-1,in-2");
        assert!(all.covers(&all) && all.covers(&some) && some.covers(&some) && !some.covers(&all));
        assert!(some.covers(&of("ingest", "P2", "in-1")));
        for beyond in [
            of("read,correct", "P1", "*"),
            of("ingest", "P3", "in-1"),
            of("ingest", "*", "in-1"),
            of("ingest", "P1", "in-3"),
            of("ingest", "P1", "*"),
        ] {
            assert!(!some.covers(&beyond), "{beyond:?}");
        }
    }

    #[test]
    fn a_gate_list_takes_only_events_that_name_one_of_its_gates() {
        let listed = Gates::only([gate("in-1"), gate("in-2")]);
        assert!(listed.contains(Some(&gate("in-2"))));
        assert!(!listed.contains(Some(&gate("out-1"))) && !listed.contains(None));
        assert!(Gates::All.contains(None) && Gates::All.contains(Some(&gate("out-1"))));
        assert_eq!(Gates::parse(&listed.to_string()), Ok(listed));
        assert_eq!(Gates::parse("*"), Ok(Gates::All));
        assert!(Gates::parse("").is_err());
    }
}
