//! Whether an event may be published: by the lots and gates of its sender, then by the rules of the lots file.
//!
//! Every door asks here, so none can forget the sender. The sender is checked first, and by the lot that it names: a rule
//! may send its event to another lot.

use access::{Denied, Principal};
use bytes::Bytes;
use parking::{GateEvent, Refusal};

use crate::Gateway;
use crate::filters::{self, Decision};

/// What is to be done with an event.
#[derive(Debug)]
pub(crate) enum Verdict<'g> {
    /// It is published as this JSON text.
    Publish(Bytes),
    /// The rule of this name drops it.
    Filtered(&'g str),
    /// Its sender may not report it.
    Denied(Refusal),
}

impl Gateway {
    /// The verdict on an event of this sender, counted by rule.
    pub(crate) fn judge(&self, sender: &Principal, event: &GateEvent, json: Bytes) -> Verdict<'_> {
        if let Err(denied) = sender.check_ingest(&event.vehicle.lot, event.gate.as_ref()) {
            return Verdict::Denied(refusal(&denied, event));
        }
        let count = |rule: &str| self.metrics.filtered.with_label_values(&[rule]).inc();
        match self.gates.filters().decide(event) {
            Decision::Pass => Verdict::Publish(json),
            Decision::Drop(rule) => {
                count(rule);
                Verdict::Filtered(rule)
            }
            Decision::Redirect(rule, lot) => {
                count(rule);
                Verdict::Publish(filters::redirected(&json, lot))
            }
        }
    }
}

/// The member at fault. It does not list the lots and gates that the token is for, which its holder may not know.
fn refusal(denied: &Denied, event: &GateEvent) -> Refusal {
    match denied {
        Denied::Lot(lot) => Refusal::new("lot_id", format!("is {lot}, and the token is not for that lot")),
        Denied::Gate { .. } => match &event.gate {
            Some(gate) => Refusal::new("gate_id", format!("is {gate}, and the token is not for that gate")),
            None => Refusal::new("gate_id", "is missing, and the token is for some gates only"),
        },
        Denied::Scope(_) | Denied::Beyond => Refusal::new("body", denied.to_string()),
    }
}
