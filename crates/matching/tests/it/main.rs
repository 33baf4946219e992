//! The promises of the pure core, one file each.

#![expect(clippy::unwrap_used, reason = "a test that can't go on stops there")]

mod any_order;
mod examples;
mod explanations;
mod history;
mod misreads;
mod model;
mod naive;
mod similar_plates;
mod superseding;
mod timelines;
mod unread;
