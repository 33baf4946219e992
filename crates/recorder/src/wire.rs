//! The protocol between correlators and the summary API: paths, format and size limits.
//!
//! Bodies are postcard of the types of [`matching::record`] and [`status`](crate::status): `terms` (GET) returns
//! `LedgerInfo`; `load` takes `Vec<LoadRequest>` and returns `Vec<Snapshot>`; `record` takes `Vec<Unit>` and returns
//! `Vec<Outcome>`; `due` takes the maximum number of vehicles as a `u32` and returns `Vec<Due>`; `report` takes
//! `CorrelatorStatus` and returns nothing (204). All but `terms` are POST. Both sides encode, send and retry.

/// The content type of bodies and answers. Its version changes with the layout of the types.
pub const MEDIA_TYPE: &str = "application/vnd.dwell.v5+postcard";

/// Returns the ledger's id and the matching rules.
pub const TERMS: &str = "/internal/v1/terms";
/// Returns the snapshots of many vehicles.
pub const LOAD: &str = "/internal/v1/load";
/// Records units.
pub const RECORD: &str = "/internal/v1/record";
/// Leases vehicles with ended holds or stays.
pub const DUE: &str = "/internal/v1/due";
/// Takes the status of a correlator.
pub const REPORT: &str = "/internal/v1/report";

/// The maximum size of a request body of `load` and `record`, in bytes.
pub const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;
/// The maximum of vehicles in one `load`, of units in one `record` and of vehicles in one `due`.
pub const VEHICLES_MAX: usize = 10_000;
