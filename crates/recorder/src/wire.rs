//! How correlators and the summary API talk: where the calls are, in which format, and how large they may be.
//!
//! Bodies and answers are postcard of the types of [`matching::record`] and [`status`](crate::status): `terms` (GET) answers `LedgerTerms`;
//! `load` takes `Vec<LoadRequest>` and answers `Vec<Snapshot>`; `record` takes `Vec<Unit>` and answers `Vec<Outcome>`;
//! `due` takes the most vehicles as a `u32` and answers `Vec<Due>`; `report` takes `CorrelatorStatus` and answers
//! nothing (204). All but `terms` are POST. Encoding, sending and retrying are left to both sides.

/// The content type of bodies and answers. Its version changes with the layout of the types.
pub const MEDIA_TYPE: &str = "application/vnd.dwell.v3+postcard";

/// Answers which ledger this is and the rules to decide by.
pub const TERMS: &str = "/internal/v1/terms";
/// Answers the snapshots of many vehicles.
pub const LOAD: &str = "/internal/v1/load";
/// Records units.
pub const RECORD: &str = "/internal/v1/record";
/// Leases vehicles of which something awaited has ended.
pub const DUE: &str = "/internal/v1/due";
/// Takes how a correlator stands.
pub const REPORT: &str = "/internal/v1/report";

/// The largest body of `load` and `record`, bytes.
pub const MAX_BODY_BYTES: usize = 64 * 1024 * 1024;
/// The most vehicles of one `load`, units of one `record` and vehicles of one `due`.
pub const MAX_VEHICLES: usize = 10_000;
