//! The limits of the service, as the metric `dwell_limit` shows them.

use ledger::{CHANGES_OF_SESSION_MAX, EVENTS_OF_ID_MAX, EVENTS_OF_VEHICLE_MAX};
use recorder::wire;

use super::{
    LEASE, LEDGER_DEADLINE, MAX_DAYS, MAX_HOURS, MAX_PAGE, SAVES, STREAMS, correlators, lookup, lots, scoped, sign_in,
    story,
};
use crate::gates;
use crate::metrics::MAX_LOTS;

/// The limits of the service, by name; the unit ends each name.
pub(super) fn all() -> Vec<(&'static str, u64)> {
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    vec![
        ("ledger_deadline_seconds", LEDGER_DEADLINE.as_secs()),
        ("due_lease_seconds", LEASE.as_secs()),
        ("ledger_log_bytes", crate::metrics::LOG_LARGE_BYTES),
        ("ledger_waiting_events", count(ledger::BACKLOG_EVENTS_MAX)),
        ("page_sessions", u64::from(MAX_PAGE)),
        ("sessions_looked_at", u64::from(ledger::SESSIONS_LOOKED_AT_MAX)),
        ("explained_events", count(EVENTS_OF_ID_MAX)),
        ("explained_sessions", u64::from(story::MAX_EXPLAINED)),
        ("near_plate_sessions", u64::from(story::CANDIDATES)),
        ("vehicle_events", u64::from(EVENTS_OF_VEHICLE_MAX)),
        ("session_changes", u64::from(CHANGES_OF_SESSION_MAX)),
        ("lot_labels", count(MAX_LOTS)),
        ("gates", count(gates::MAX_GATES)),
        ("gate_late_seconds", gates::LATE_MS.unsigned_abs() / 1_000),
        ("statistics_hours", MAX_HOURS.unsigned_abs()),
        ("statistics_days", MAX_DAYS.unsigned_abs()),
        ("doubt_learned_lots", count(lots::LEARNED_LOTS_MAX)),
        ("lookup_lots", count(lookup::LOTS_MAX)),
        ("lookup_entries", count(lookup::ENTRIES_MAX)),
        ("lookup_unused_seconds", lookup::UNUSED_MS.unsigned_abs() / 1_000),
        ("correlators", count(correlators::MAX_CORRELATORS)),
        ("unknown_consumers_seconds", correlators::STRANGER_PATIENCE.as_secs()),
        ("summaries_being_saved", count(SAVES)),
        ("session_streams", count(STREAMS)),
        ("tokens", count(scoped::ACCOUNTS_MAX)),
        ("users", count(scoped::ACCOUNTS_MAX)),
        ("webhooks", count(scoped::WEBHOOKS_MAX)),
        ("webhook_old_secret_seconds", scoped::OLD_SECRET_LIFETIME_MS.unsigned_abs() / 1_000),
        ("login_sessions_of_user", u64::from(access::LOGINS_OF_USER_MAX)),
        ("password_hashes_at_once", count(sign_in::PASSWORD_HASHES_MAX)),
        ("sign_in_failures_keys", count(sign_in::LOCKOUT_KEYS_MAX)),
        ("internal_call_vehicles", count(wire::VEHICLES_MAX)),
    ]
}
