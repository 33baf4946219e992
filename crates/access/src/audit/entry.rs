//! An entry of the audit log: the person, the action, the lots and plates, the outcome and the reason.

use parking::Plate;
use unicode_normalization::UnicodeNormalization;

use crate::{Keyring, Lots, PlateHash, Who};

/// The longest reason, bytes; the rest is cut off.
const REASON_BYTES_MAX: usize = 256;
/// The longest name of an object, bytes.
const OBJECT_BYTES_MAX: usize = 128;
/// The longest list of lots that is written out, bytes.
const LOTS_BYTES_MAX: usize = 1_024;

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Signed in.
    SignIn,
    /// Signed out.
    SignOut,
    /// Searched for a plate.
    Search,
    /// Saw a session, a story or an explanation with its plate.
    LookUp,
    /// Saw lists with plates.
    List,
    /// Followed a live feed with plates.
    Follow,
    /// Exported sessions or events.
    Export,
    /// Corrected what gates reported.
    Correct,
    /// Erased what was held about a plate.
    Erase,
    /// Disclosed what was held about a plate.
    Disclose,
    /// Made a token.
    CreateToken,
    /// Revoked a token.
    RevokeToken,
    /// Added a user, or changed the password or the rights of one.
    ChangeUser,
    /// Removed or disabled a user.
    RemoveUser,
    /// Read the audit log.
    ReadAudit,
    /// Cut off old records of the audit log.
    CutAudit,
}

impl Action {
    /// All actions.
    pub const ALL: [Self; 16] = [
        Self::SignIn,
        Self::SignOut,
        Self::Search,
        Self::LookUp,
        Self::List,
        Self::Follow,
        Self::Export,
        Self::Correct,
        Self::Erase,
        Self::Disclose,
        Self::CreateToken,
        Self::RevokeToken,
        Self::ChangeUser,
        Self::RemoveUser,
        Self::ReadAudit,
        Self::CutAudit,
    ];

    /// The word that is stored.
    pub const fn word(self) -> &'static str {
        match self {
            Self::SignIn => "sign_in",
            Self::SignOut => "sign_out",
            Self::Search => "search",
            Self::LookUp => "look_up",
            Self::List => "list",
            Self::Follow => "follow",
            Self::Export => "export",
            Self::Correct => "correct",
            Self::Erase => "erase",
            Self::Disclose => "disclose",
            Self::CreateToken => "create_token",
            Self::RevokeToken => "revoke_token",
            Self::ChangeUser => "change_user",
            Self::RemoveUser => "remove_user",
            Self::ReadAudit => "read_audit",
            Self::CutAudit => "cut_audit",
        }
    }
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Done,
    /// It was refused.
    Refused,
}

impl Outcome {
    /// The word that is stored.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
        }
    }
}

/// What is to be recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub(super) actor: String,
    pub(super) action: Action,
    pub(super) outcome: Outcome,
    pub(super) lots: String,
    pub(super) plates: Vec<PlateHash>,
    pub(super) object: String,
    pub(super) rows: u64,
    pub(super) reason: String,
}

impl Entry {
    /// Somebody did something.
    pub fn new(who: &Who, action: Action) -> Self {
        Self {
            actor: who.to_string(),
            action,
            outcome: Outcome::Done,
            lots: String::new(),
            plates: Vec::new(),
            object: String::new(),
            rows: 0,
            reason: String::new(),
        }
    }

    /// It was refused.
    #[must_use]
    pub fn refused(self) -> Self {
        Self { outcome: Outcome::Refused, ..self }
    }

    /// The lots that were looked at. A long list is recorded as its length.
    #[must_use]
    pub fn with_lots(self, lots: &Lots) -> Self {
        let text = match (lots.to_string(), lots) {
            (text, Lots::Only(lots)) if text.len() > LOTS_BYTES_MAX => format!("{} lots", lots.len()),
            (text, Lots::Only(_) | Lots::All) => text,
        };
        Self { lots: text, ..self }
    }

    /// The plates concerned, as keyed hashes, and the reason as the user typed it. A reason that contains one of the plates
    /// is withheld.
    #[must_use]
    pub fn about(self, keys: &Keyring, plates: &[&Plate], reason: &str) -> Self {
        let names_plate = plates.iter().any(|plate| names(reason, plate));
        let reason = if names_plate { "(withheld: it names the plate)" } else { cut_to(reason, REASON_BYTES_MAX) };
        let plates = plates.iter().map(|plate| PlateHash::new(keys, plate)).collect();
        Self { plates, reason: reason.to_owned(), ..self }
    }

    /// What it was done to: the id of a session, of a token, or the name of a user. Never a plate.
    #[must_use]
    pub fn with_object(self, object: &str) -> Self {
        Self { object: cut_to(object, OBJECT_BYTES_MAX).to_owned(), ..self }
    }

    /// How many sessions or events were shown or changed.
    #[must_use]
    pub fn with_rows(self, rows: u64) -> Self {
        Self { rows, ..self }
    }
}

/// Whether the plate stands in the text, however it is spelled.
fn names(text: &str, plate: &Plate) -> bool {
    let normal: String =
        text.nfkc().flat_map(char::to_uppercase).nfkc().filter(|letter| letter.is_alphanumeric()).collect();
    !plate.is_empty() && normal.contains(plate.as_str())
}

fn cut_to(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use parking::LotId;

    fn keys() -> Keyring {
        Keyring::from_random(&[1; 32])
    }

    #[test]
    fn every_action_has_a_word_of_its_own() {
        let mut words: Vec<&str> = Action::ALL.into_iter().map(Action::word).collect();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), Action::ALL.len());
    }

    #[test]
    fn an_entry_holds_no_plate_whatever_the_reason_says() {
        let plate = Plate::named("ABC-123").unwrap();
        for reason in ["owner of ABC-123 asked", "abc 123", "letter of the owner of a\u{200b}BC.123", "ＡＢＣ１２３"]
        {
            let entry = Entry::new(&Who::Local, Action::Search).about(&keys(), &[&plate], reason);
            assert_eq!(entry.reason, "(withheld: it names the plate)");
            assert!(!format!("{entry:?}").contains("123"), "{entry:?}");
        }
        let entry = Entry::new(&Who::Local, Action::Search).about(&keys(), &[&plate], "the owner asked");
        assert_eq!((&*entry.reason, entry.plates), ("the owner asked", vec![PlateHash::new(&keys(), &plate)]));
    }

    #[test]
    fn long_texts_are_cut_at_a_letter() {
        let entry = Entry::new(&Who::Local, Action::Export).about(&keys(), &[], &"é".repeat(200));
        assert_eq!(entry.reason, "é".repeat(128));
        let lots = Lots::only((0..200).map(|lot| LotId::parse(&format!("lot-{lot}")).unwrap()));
        assert_eq!(entry.with_lots(&lots).lots, "200 lots");
    }
}
