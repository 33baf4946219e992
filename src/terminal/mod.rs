//! What a person sees in the terminal: the banner of the pipeline, standard output, and progress on standard error.
//!
//! The log is `service_kit`'s, and how an answer looks is said by the command that gives it.

pub mod banner;
pub mod output;
pub(crate) mod progress;
