//! What changes when another event supersedes one of a vehicle's: the sessions without it.
//!
//! The event stays in the timeline with a flag, so that every later decision leaves it out as well. Which events are
//! superseded is left to the caller: the event that supersedes one is usually another vehicle's.

use parking::{EventKey, SessionId, State, Vehicle};
use smallvec::SmallVec;

use super::{Decision, Rule, SessionChange, TooOld, decided, flags_of, resolve, stays_of, unread_change};
use crate::limits::Limits;
use crate::timeline::{Flags, Timeline};

/// Decides what changes for `vehicle` when these events of it count as not having happened. Those that the timeline
/// lacks, or has as superseded already, change nothing.
///
/// # Errors
/// [`TooOld`] if `timeline` does not reach one of them: decide again on a longer timeline.
pub fn supersede(
    vehicle: &Vehicle,
    timeline: &Timeline,
    limits: Limits,
    superseded: &[EventKey],
) -> Result<Decision, TooOld> {
    let mut after = timeline.clone();
    let mut is_new = false;
    for key in superseded {
        if !timeline.reaches(key.time) {
            let oldest = superseded.iter().map(|key| key.time).min().unwrap_or(key.time);
            return Err(TooOld(oldest));
        }
        if let Some(index) = after.position(key) {
            is_new |= after.flags_mut(index).set(Flags::SUPERSEDED);
        }
    }
    if !is_new {
        return Ok(Decision { timeline: after, ..Decision::default() });
    }
    let loses = |key: &EventKey| flags_of(&after, key) != flags_of(timeline, key);
    let losing: Vec<SessionId> = resolve(timeline, &stays_of(timeline, limits))
        .iter()
        .filter(|session| [session.entry, session.exit].into_iter().flatten().any(loses))
        .map(|session| SessionId::of_event(vehicle, session.anchor))
        .collect();
    let stays = stays_of(&after, limits);
    let mut decision = decided(vehicle, timeline, after, limits, &stays, |_| SmallVec::new());
    for change in decision.changes.iter_mut().filter(|change| losing.contains(&change.session)) {
        change.rule = Rule::ReadSuperseded;
    }
    Ok(decision)
}

/// The end of the session of an event with an unread plate.
pub(crate) fn void_unread(vehicle: &Vehicle, key: EventKey) -> SessionChange {
    let before = unread_change(vehicle, key);
    SessionChange { from: Some(before.to), to: State::Void, reason: None, rule: Rule::ReadSuperseded, ..before }
}
