//! Scopes: the kinds of work that a principal may do.
//!
//! No scope implies another. Which question needs which scope is left to the crate that answers it.

use std::fmt;

/// A kind of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Report gate events.
    Ingest,
    /// Load and record timelines, as correlators do.
    Record,
    /// Ask for sessions, statistics, lots and gates, with plates masked.
    Read,
    /// See plates whole, and search by plate.
    ReadPlate,
    /// Correct what gates reported.
    Correct,
    /// Manage tokens and users, erase, disclose, and read the audit log.
    Admin,
}

impl Scope {
    /// All scopes, in the order of listings.
    pub const ALL: [Self; 6] = [Self::Ingest, Self::Record, Self::Read, Self::ReadPlate, Self::Correct, Self::Admin];

    /// The word for it in files, commands and the API.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Record => "record",
            Self::Read => "read",
            Self::ReadPlate => "read_plate",
            Self::Correct => "correct",
            Self::Admin => "admin",
        }
    }

    /// The scope that a word names.
    ///
    /// # Errors
    /// That there is no such scope, and which ones there are.
    pub fn parse(word: &str) -> Result<Self, UnknownScope> {
        Self::ALL.into_iter().find(|scope| scope.word() == word).ok_or(UnknownScope)
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.word())
    }
}

/// A word that names no scope. The word is left out: it might be a secret in the wrong place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a scope; allowed are ingest, record, read, read_plate, correct and admin")]
pub struct UnknownScope;

/// A set of scopes.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Scopes(u8);

impl Scopes {
    /// Every scope.
    pub fn all() -> Self {
        Scope::ALL.into_iter().collect()
    }

    /// Whether the scope is one of these.
    pub const fn contains(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// These without one.
    #[must_use]
    pub const fn without(self, scope: Scope) -> Self {
        Self(self.0 & !scope.bit())
    }

    /// The scopes, in the order of [`Scope::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.contains(*scope))
    }

    /// Reads words that are separated by commas, as [`Display`](fmt::Display) writes them. Blanks around a word are
    /// ignored; an empty text is the empty set.
    ///
    /// # Errors
    /// That a word is no scope.
    pub fn parse(text: &str) -> Result<Self, UnknownScope> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        text.split(',').map(|word| Scope::parse(word.trim())).collect()
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | scope.bit()))
    }
}

impl fmt::Display for Scopes {
    /// `read,read_plate`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, scope) in self.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(formatter, "{comma}{scope}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Scopes({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scope_has_a_word_of_its_own_and_comes_back_from_it() {
        for scope in Scope::ALL {
            assert_eq!(Scope::parse(scope.word()), Ok(scope));
        }
        let sum: u32 = Scope::ALL.into_iter().map(|scope| u32::from(scope.bit())).sum();
        assert_eq!(sum, u32::from(Scopes::all().0), "two scopes share a bit");
    }

    #[test]
    fn a_set_comes_back_from_its_text() {
        for bits in 0..=Scopes::all().0 {
            let scopes = Scopes(bits);
            assert_eq!(Scopes::parse(&scopes.to_string()), Ok(scopes));
        }
        assert_eq!(Scopes::parse(" read , ingest "), Ok([Scope::Ingest, Scope::Read].into_iter().collect()));
    }

    #[test]
    fn no_scope_implies_another() {
        for scope in Scope::ALL {
            let alone: Scopes = [scope].into_iter().collect();
            assert_eq!(alone.iter().collect::<Vec<_>>(), [scope]);
            assert!(alone.without(scope).is_empty());
        }
    }

    #[test]
    fn a_word_that_is_no_scope_is_refused_without_repeating_it() {
        for word in ["", "Read", "reads", "read,", ",read", "dwell_0000000000"] {
            let refused = Scopes::parse(&format!("ingest,{word}"));
            assert_eq!(refused, Err(UnknownScope), "{word:?}");
        }
        assert!(!UnknownScope.to_string().contains("dwell_"));
    }
}
