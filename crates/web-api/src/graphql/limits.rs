//! The limits of depth and complexity. The other limits are in the modules that enforce them.

/// The largest depth of nested fields. The introspection query of tools needs 15.
pub(super) const DEPTH_FIELDS_MAX: usize = 16;
/// The largest complexity: the fields of a response in which every page is full, thirty for each element of the longest
/// page. It allows a thousand sessions with all their own fields and cursors (24,001), or a thousand changes with their
/// sessions (26,002), but no list within such a list.
pub(super) const COMPLEXITY_FIELDS_MAX: usize = 30_000;
