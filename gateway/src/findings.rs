//! What the gateway makes of a camera's message, for people: for `dwell gate test` and `dwell gate listen`.
//!
//! Nothing is published or counted here.

use std::fmt;

use camera_formats::{Outcome, Skipped};
use parking::Refusal;

use crate::examine::examine;
use crate::filters::{self, Decision};
use crate::gates::Gates;

/// One thing that was found in a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// A gate event that would be published.
    Event {
        /// Its JSON text.
        json: String,
        /// Where its time comes from.
        time_source: &'static str,
        /// The rule that sent it to another lot.
        redirected_by: Option<String>,
    },
    /// A read that a rule of the lots file drops.
    Filtered {
        /// The rule's name.
        rule: String,
    },
    /// A part that is no passage, and why.
    Skipped(Skipped),
    /// A part that can't be taken, and why.
    Refused(String),
    /// Pictures, which are dropped.
    Pictures(usize),
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event { json, time_source, redirected_by } => {
                write!(f, "event     {json}\ntime      {time_source}")?;
                match redirected_by {
                    Some(rule) => write!(f, "\nlot       changed by the filter {rule:?}"),
                    None => Ok(()),
                }
            }
            Self::Filtered { rule } => write!(f, "filtered  by {rule:?}: not published"),
            Self::Skipped(Skipped::OtherCamera(name)) => write!(f, "skipped   other_camera: {name:?}"),
            Self::Skipped(skipped) => write!(f, "skipped   {skipped}"),
            Self::Refused(reason) => write!(f, "refused   {reason}"),
            Self::Pictures(count) => write!(f, "pictures  {count}, dropped"),
        }
    }
}

/// All that was found in a message, in order: reads, then what was left out.
pub fn findings(read: &Result<Outcome, Refusal>, gates: &Gates) -> Vec<Finding> {
    let outcome = match read {
        Ok(outcome) => outcome,
        Err(refusal) => return vec![Finding::Refused(refusal.to_string())],
    };
    let mut found: Vec<Finding> = outcome.reads.iter().map(|read| of_read(read, gates)).collect();
    found.extend(outcome.skipped.iter().cloned().map(Finding::Skipped));
    found.extend(outcome.refused.iter().map(|refusal| Finding::Refused(refusal.to_string())));
    if outcome.images > 0 {
        found.push(Finding::Pictures(outcome.images));
    }
    found
}

fn of_read(read: &camera_formats::Read, gates: &Gates) -> Finding {
    let json = read.to_json();
    let event = match examine(&json) {
        Ok(event) => event,
        Err(refusal) => return Finding::Refused(refusal.to_string()),
    };
    let time_source = read.time_source.as_str();
    let text = |json: &[u8]| String::from_utf8_lossy(json).into_owned();
    match gates.filters().decide(&event) {
        Decision::Pass => Finding::Event { json: text(&json), time_source, redirected_by: None },
        Decision::Drop(rule) => Finding::Filtered { rule: rule.to_owned() },
        Decision::Redirect(rule, lot) => Finding::Event {
            json: text(&filters::redirected(&json, lot)),
            time_source,
            redirected_by: Some(rule.to_owned()),
        },
    }
}
