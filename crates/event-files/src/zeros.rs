//! Zero bytes in a text file: what a power cut leaves where data was allocated and not yet written.
//!
//! Most readers only see a broken line, whose usual reason would be misleading.

use parking::Refusal;
use parking::readable::counted;

/// Why a file with zero bytes can't be right, and what to do.
pub(super) const DAMAGED: &str =
    "the file is damaged, or was not written to its end (as in a power cut); get a whole copy of it";

pub(super) fn are_in(text: &[u8]) -> bool {
    memchr::memchr(0, text).is_some()
}

/// The refusal of a line or element with zero bytes.
pub(super) fn refusal_of(text: &[u8]) -> Option<Refusal> {
    let zeros = memchr::memchr_iter(0, text).count() as u64;
    (zeros > 0).then(|| Refusal::new("line", format!("has {}: {DAMAGED}", counted(zeros, "zero byte"))))
}
