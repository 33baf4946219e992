//! How deep and how large a request may be. What else is limited stands where it is held.

/// The most fields on the way from the top to the bottom. The question that tools ask about a schema needs 15.
pub(super) const DEPTH: usize = 16;
/// The most fields of an answer, as it would be if every page were full: thirty for each element of the longest page. That
/// is room for a thousand sessions with all their own fields and cursors (24,001), or for a thousand changes with the
/// sessions that changed (26,002), and for no list within a list.
pub(super) const COMPLEXITY: usize = 30_000;
