//! What is stored of webhooks: each subscription, how far it has come in the list of changes, and the deliveries that
//! wait for another attempt.
//!
//! One process at a time delivers for a webhook, by a lease. It saves its progress in one transaction: everything up to
//! the webhook's sequence number is delivered, does not concern the webhook, or is in the list of waiting deliveries.
//! Sending is left to the crate `webhooks`.

use std::collections::BTreeSet;
use std::fmt;

use access::{Lots, SigningSecret};
use parking::{State, Timestamp};
use uuid::Uuid;

/// What a change to a session is called in messages, and what a webhook can subscribe to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum WebhookKind {
    /// A vehicle has entered.
    Opened,
    /// An exit has found its entry.
    Matched,
    /// An entry or an exit has remained without its counterpart.
    Unmatched,
    /// Later evidence has changed a session that was decided.
    Revised,
    /// A session no longer stands; another one has its events.
    Voided,
}

impl WebhookKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::Opened, Self::Matched, Self::Unmatched, Self::Revised, Self::Voided];

    /// The `type` of its messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "session.opened",
            Self::Matched => "session.matched",
            Self::Unmatched => "session.unmatched",
            Self::Revised => "session.revised",
            Self::Voided => "session.voided",
        }
    }

    /// Reads the `type` of messages.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// The kind of a change. `None` for an exit that is held: nothing is decided about it.
    pub const fn of(from: Option<State>, to: State) -> Option<Self> {
        match (from, to) {
            (None | Some(State::Open | State::HeldExit), State::Matched) => Some(Self::Matched),
            (None | Some(State::Open | State::HeldExit), State::UnmatchedEntry | State::UnmatchedExit) => {
                Some(Self::Unmatched)
            }
            (None, State::Open) => Some(Self::Opened),
            (None, State::HeldExit) => None,
            (_, State::Void) => Some(Self::Voided),
            (Some(_), _) => Some(Self::Revised),
        }
    }
}

/// Some kinds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WebhookKinds(BTreeSet<WebhookKind>);

impl WebhookKinds {
    /// Whether the kind is one of these.
    pub fn contains(&self, kind: WebhookKind) -> bool {
        self.0.contains(&kind)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The kinds, in their order.
    pub fn iter(&self) -> impl Iterator<Item = WebhookKind> {
        self.0.iter().copied()
    }

    /// Reads words separated by commas, as [`Display`](fmt::Display) writes them.
    ///
    /// # Errors
    /// The first word that is no kind.
    pub fn parse(text: &str) -> Result<Self, String> {
        let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
        words.map(|word| WebhookKind::parse(word).ok_or_else(|| word.to_owned())).collect()
    }
}

impl FromIterator<WebhookKind> for WebhookKinds {
    fn from_iter<I: IntoIterator<Item = WebhookKind>>(kinds: I) -> Self {
        Self(kinds.into_iter().collect())
    }
}

impl fmt::Display for WebhookKinds {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<&str> = self.iter().map(WebhookKind::as_str).collect();
        formatter.write_str(&words.join(","))
    }
}

/// A subscription: who gets what, and how far it has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Its id.
    pub id: Uuid,
    /// What the operator calls it.
    pub name: String,
    /// The address of the receiver.
    pub url: String,
    /// The lots whose sessions it gets.
    pub lots: Lots,
    /// The kinds of changes that it gets.
    pub kinds: WebhookKinds,
    /// Whether its messages have whole plates.
    pub plates: bool,
    /// What its messages are signed with.
    pub secret: SigningSecret,
    /// The secret before the last rotation, and until when messages are signed with it too.
    pub old_secret: Option<(SigningSecret, Timestamp)>,
    /// When it was made.
    pub created: Timestamp,
    /// Since when nothing is sent, and why.
    pub paused: Option<Trouble>,
    /// Everything up to this change is delivered, does not concern the webhook, or waits for another attempt.
    pub sequence: u64,
    /// Raised by each change that makes the state in a deliverer's memory obsolete.
    pub generation: u64,
    /// Since when deliveries fail, and why the last one did.
    pub failing: Option<Trouble>,
    /// When a delivery was accepted last.
    pub delivered: Option<Timestamp>,
    /// When its lease ends, or has ended.
    pub leased_until: Timestamp,
    /// The number of deliveries that wait.
    pub waiting: u64,
    /// When the oldest of the changes that wait was recorded.
    pub oldest_waiting: Option<Timestamp>,
}

/// Since when something is wrong, and what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Since when.
    pub since: Timestamp,
    /// What is wrong, for a person. Never a plate.
    pub reason: String,
}

/// A delivery that waits for another attempt, or for an earlier one of its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WaitingDelivery {
    /// The change.
    pub sequence: u64,
    /// The session, by the id that the receiver sees.
    pub session: Uuid,
    /// When the change was recorded.
    pub recorded_at: Timestamp,
    /// The number of failed attempts.
    pub attempts: u32,
    /// When the next attempt is due.
    pub due: Timestamp,
}

/// How far the holder of a lease has come since it saved last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookProgress {
    /// The webhook.
    pub id: Uuid,
    /// The holder of the lease.
    pub holder: Uuid,
    /// The generation that the holder knows.
    pub generation: u64,
    /// The new sequence number of the webhook.
    pub sequence: u64,
    /// Since when deliveries fail, and why the last one did.
    pub failing: Option<Trouble>,
    /// When a delivery was accepted last.
    pub delivered: Option<Timestamp>,
    /// Deliveries that wait and are new or changed.
    pub waiting: Vec<WaitingDelivery>,
    /// Deliveries that wait no longer.
    pub done: Vec<u64>,
}

/// A change to a webhook. It is atomic, and a repeated one changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WebhookChange {
    /// Adds a webhook. Nothing changes if its id is known.
    Add(Box<Webhook>),
    /// Removes a webhook and its waiting deliveries. Nothing changes if there is no such webhook.
    Remove(Uuid),
    /// Stops sending. Nothing changes if the webhook is unknown or paused.
    Pause {
        /// The webhook.
        id: Uuid,
        /// Since when, and why.
        trouble: Trouble,
    },
    /// Sends again, all waiting deliveries at once. Nothing changes if there is no such webhook.
    Resume(Uuid),
    /// Replaces the secret. Nothing changes if the webhook is unknown or has this secret.
    Rotate {
        /// The webhook.
        id: Uuid,
        /// The new secret.
        secret: SigningSecret,
        /// Until when messages are signed with the old secret too.
        old_until: Timestamp,
    },
    /// Delivers everything after this change again. Nothing changes if there is no such webhook.
    Replay {
        /// The webhook.
        id: Uuid,
        /// The last change that is not delivered again.
        after: u64,
    },
    /// Takes or extends the lease. Nothing changes while another holder has it. A lease that ends later than any current
    /// lease comes from a wrong clock and does not count.
    Lease {
        /// The webhook.
        id: Uuid,
        /// Who takes it.
        holder: Uuid,
        /// The time of the holder.
        now: Timestamp,
        /// When the lease ends.
        until: Timestamp,
    },
    /// Ends the lease. Nothing changes unless this holder has it.
    Release {
        /// The webhook.
        id: Uuid,
        /// Who has it.
        holder: Uuid,
    },
    /// Saves progress. Nothing changes unless this holder took the lease last, and knows the newest generation.
    Progress(Box<WebhookProgress>),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_change_has_one_kind_and_a_held_exit_has_none() {
        use State::{HeldExit, Matched, Open, UnmatchedEntry, UnmatchedExit, Void};
        for (from, to, kind) in [
            (None, Open, Some(WebhookKind::Opened)),
            (None, HeldExit, None),
            (None, Matched, Some(WebhookKind::Matched)),
            (Some(Open), Matched, Some(WebhookKind::Matched)),
            (Some(HeldExit), Matched, Some(WebhookKind::Matched)),
            (None, UnmatchedExit, Some(WebhookKind::Unmatched)),
            (Some(HeldExit), UnmatchedExit, Some(WebhookKind::Unmatched)),
            (Some(Open), UnmatchedEntry, Some(WebhookKind::Unmatched)),
            (Some(Matched), Open, Some(WebhookKind::Revised)),
            (Some(Matched), Matched, Some(WebhookKind::Revised)),
            (Some(UnmatchedExit), Matched, Some(WebhookKind::Revised)),
            (Some(Void), Open, Some(WebhookKind::Revised)),
            (Some(Matched), Void, Some(WebhookKind::Voided)),
            (Some(HeldExit), Void, Some(WebhookKind::Voided)),
        ] {
            assert_eq!(WebhookKind::of(from, to), kind, "{from:?} to {to:?}");
        }
    }

    #[test]
    fn kinds_come_back_from_their_text() {
        let all: WebhookKinds = WebhookKind::ALL.into_iter().collect();
        assert_eq!(WebhookKinds::parse(&all.to_string()), Ok(all));
        assert_eq!(WebhookKinds::parse("session.matched, lot.empty"), Err("lot.empty".to_owned()));
    }
}
