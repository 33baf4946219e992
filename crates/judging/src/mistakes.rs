//! Which judged exits are wrong, and how: a list to look through.

use uuid::Uuid;

use crate::score::{JudgedExit, Paired, judged_exits};
use crate::truth::Truth;

/// How an exit is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MistakeKind {
    /// Its entry was seen, and it has none.
    Missed,
    /// Its entry was not seen, and it was given another vehicle's, or one by unequal reads.
    FalseMatch,
    /// Its entry was seen, and it was given another vehicle's.
    WrongVehicle,
    /// It was given the entry of another stay of its own vehicle.
    OtherStay,
}

impl MistakeKind {
    /// A fixed word for tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missed => "missed",
            Self::FalseMatch => "false_match",
            Self::WrongVehicle => "wrong_vehicle",
            Self::OtherStay => "other_stay",
        }
    }
}

/// One exit that is wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mistake {
    /// How.
    pub kind: MistakeKind,
    /// The exit, as the truth names it.
    pub exit: Uuid,
    /// The entry that it was given.
    pub entry: Option<Uuid>,
    /// The entry of its stay, when that was seen.
    pub true_entry: Option<Uuid>,
    /// The posterior of the pair, when its reads are unequal.
    pub probability: Option<f64>,
}

/// The first line of a table of mistakes.
pub const HEADER: &str = "mistake,exit_event_id,entry_event_id,true_entry_event_id,match_probability\n";

impl Mistake {
    fn of(judged: &JudgedExit<'_>) -> Option<Self> {
        let JudgedExit { visit, exit, pair, is_own, is_other } = judged;
        let is_unequal = pair.is_some_and(|pair| pair.probability.is_some());
        let kind = match (pair, visit.entry) {
            (None, None) => return None,
            (Some(_), Some(_)) if *is_own => return None,
            (None, Some(_)) => MistakeKind::Missed,
            (Some(_), Some(_)) if *is_other => MistakeKind::WrongVehicle,
            (Some(_), None) if is_unequal || *is_other => MistakeKind::FalseMatch,
            (Some(_), _) => MistakeKind::OtherStay,
        };
        Some(Self {
            kind,
            exit: *exit,
            entry: pair.map(|pair| pair.entry),
            true_entry: visit.entry,
            probability: pair.and_then(|pair| pair.probability),
        })
    }

    /// Adds its line to `text`.
    pub fn append_row(&self, text: &mut Vec<u8>) {
        let id = |id: Option<Uuid>| id.map_or_else(String::new, |id| id.to_string());
        let probability = self.probability.map_or_else(String::new, |probability| format!("{probability:.4}"));
        let (entry, true_entry) = (id(self.entry), id(self.true_entry));
        let line = format!("{},{},{entry},{true_entry},{probability}\n", self.kind.as_str(), self.exit);
        text.extend_from_slice(line.as_bytes());
    }
}

/// The judged exits that are wrong, by kind, then by exit.
pub fn mistakes(truth: &Truth, pairs: &[Paired]) -> Vec<Mistake> {
    let mut mistakes: Vec<Mistake> = judged_exits(truth, pairs).iter().filter_map(Mistake::of).collect();
    mistakes.sort_by_key(|mistake| (mistake.kind, mistake.exit));
    mistakes
}
