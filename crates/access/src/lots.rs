//! Which lots a principal may see: all, or those of a list.
//!
//! A lot outside the list is treated like a lot that does not exist, so that nobody learns which other lots there are.

use std::collections::BTreeSet;
use std::fmt;

use parking::LotId;

/// All lots, or a list of them. As a filter, the empty list selects nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lots {
    /// Every lot, also those that appear later.
    All,
    /// These.
    Only(BTreeSet<LotId>),
}

impl Lots {
    /// The word for all lots.
    pub const ALL_WORD: &str = "*";

    /// These lots.
    pub fn only(lots: impl IntoIterator<Item = LotId>) -> Self {
        Self::Only(lots.into_iter().collect())
    }

    /// Whether the lot is one of these.
    pub fn contains(&self, lot: &LotId) -> bool {
        match self {
            Self::All => true,
            Self::Only(lots) => lots.contains(lot),
        }
    }

    /// Whether all of `others` are among these.
    pub(crate) fn cover(&self, others: &Self) -> bool {
        match (self, others) {
            (Self::All, _) => true,
            (Self::Only(_), Self::All) => false,
            (Self::Only(lots), Self::Only(others)) => others.is_subset(lots),
        }
    }

    /// Whether no lot is selected.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::All => false,
            Self::Only(lots) => lots.is_empty(),
        }
    }

    /// What a question about one lot, or about all, may look at: nothing, when the lot is not one of these.
    #[must_use]
    pub fn narrowed(&self, asked: Option<&LotId>) -> Self {
        match asked {
            None => self.clone(),
            Some(lot) if self.contains(lot) => Self::only([lot.clone()]),
            Some(_) => Self::Only(BTreeSet::new()),
        }
    }

    /// Reads the names of lots separated by commas, or `*`, as [`Display`](fmt::Display) writes them.
    ///
    /// # Errors
    /// What is wrong with a name, as the end of a sentence.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        match text.trim() {
            Self::ALL_WORD => Ok(Self::All),
            "" => Ok(Self::Only(BTreeSet::new())),
            names => names.split(',').map(|name| LotId::parse(name.trim())).collect::<Result<_, _>>().map(Self::Only),
        }
    }
}

impl fmt::Display for Lots {
    /// `*`, or `P1,P3`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => formatter.write_str(Self::ALL_WORD),
            Self::Only(lots) => {
                let names: Vec<&str> = lots.iter().map(LotId::as_str).collect();
                formatter.write_str(&names.join(","))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lots(text: &str) -> Lots {
        Lots::parse(text).unwrap()
    }

    fn lot(name: &str) -> LotId {
        LotId::parse(name).unwrap()
    }

    #[test]
    fn a_question_is_narrowed_to_the_lots_that_may_be_seen() {
        assert_eq!(lots("*").narrowed(None), Lots::All);
        assert_eq!(lots("*").narrowed(Some(&lot("P1"))), lots("P1"));
        assert_eq!(lots("P1,P2").narrowed(None), lots("P1,P2"));
        assert_eq!(lots("P1,P2").narrowed(Some(&lot("P2"))), lots("P2"));
    }

    #[test]
    fn a_lot_that_may_not_be_seen_selects_the_same_as_one_that_is_not_there() {
        let foreign = lots("P1").narrowed(Some(&lot("P2")));
        let absent = lots("P1").narrowed(Some(&lot("no-such-lot")));
        assert_eq!(foreign, absent);
        assert!(foreign.is_empty() && !foreign.contains(&lot("P1")));
    }

    #[test]
    fn lots_come_back_from_their_text() {
        for text in ["*", "", "P1", "P1,P2,P3"] {
            assert_eq!(lots(text).to_string(), text);
        }
        assert_eq!(lots(" P2, P1 ").to_string(), "P1,P2");
        for wrong in ["a b", "P1,*", "P1,,P2", "P1,"] {
            assert!(Lots::parse(wrong).is_err(), "{wrong:?} was taken");
        }
    }
}
