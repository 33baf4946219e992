//! Output to the terminal: the banner of the pipeline, standard output, and progress on standard error.
//!
//! `service_kit` writes the log; each command formats its own answer.

pub mod banner;
pub(crate) mod columns;
pub mod output;
pub(crate) mod progress;
