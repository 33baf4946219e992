//! What each sender waits for as an answer: a part of its format.

use crate::{Format, Outcome};
use parking::Refusal;

/// The answer to a sender, once its reads are confirmed or refused for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body's type; empty without a body.
    pub content_type: &'static str,
    /// The body.
    pub body: String,
}

const JSON: &str = "application/json";

impl Format {
    /// The answer to a delivery that was understood, once all its reads are confirmed. What was refused of it comes along.
    ///
    /// Not to be used while the bus is unavailable: then any 503 makes the sender try again.
    pub fn accepted(self, outcome: &Outcome) -> Answer {
        let told = |refusals: &[Refusal]| refusals.iter().take(10).map(Refusal::to_string).collect::<Vec<_>>();
        let body = if self.repeats_until_content() {
            RESULT_TRUE.to_owned()
        } else if self == Self::TwoN {
            r#"{"success": true}"#.to_owned()
        } else {
            let skipped = outcome.skipped.iter().map(crate::Skipped::as_str).collect::<Vec<_>>();
            let (accepted, refused) = (outcome.reads.len(), told(&outcome.refused));
            serde_json::json!({ "accepted": accepted, "skipped": skipped, "refused": refused }).to_string()
        };
        Answer { status: 200, content_type: JSON, body }
    }

    /// The answer to a delivery that can't be taken, and could not the next time either.
    ///
    /// A sender that repeats a message until it is accepted gets an acceptance: its next reads wait behind this one.
    pub fn refused(self, refusal: &Refusal) -> Answer {
        if self.repeats_until_content() {
            let body = serde_json::json!({ "result": "true", "problem": refusal.to_string() });
            return Answer { status: 200, content_type: JSON, body: body.to_string() };
        }
        let body = serde_json::json!({
            "type": "about:blank",
            "title": "The message of the camera can't be read",
            "status": 422,
            "member": refusal.member(),
            "detail": refusal.to_string(),
        });
        Answer { status: 422, content_type: "application/problem+json", body: body.to_string() }
    }

    /// Whether the sender repeats a message for ever until its answer has [`RESULT_TRUE`].
    fn repeats_until_content(self) -> bool {
        matches!(self, Self::DahuaItsapi | Self::Dahua)
    }
}

const RESULT_TRUE: &str = r#"{"result": "true"}"#;
