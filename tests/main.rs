//! What the whole system promises, one promise a file, on the real programs.
//!
//! Tests that need a server say so and are run by `ci/test`.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test that can't go on stops there, and says what it misses"
)]

mod accounts;
mod acknowledged_at_the_gateway;
mod backups;
mod closed_pipes;
mod dead_letters;
mod dead_letters_in_an_alarm;
mod deployment;
mod doctor;
mod events_at_dwell;
mod every_exit_finds_its_entry;
mod explains;
mod faults;
mod files_are_never_silent;
mod files_reach_the_queues;
mod first_minute;
mod grpc_at_the_gateway;
mod heartbeat;
mod help;
mod hot_vehicles;
mod layers;
mod lost_replies;
mod mqtt_at_the_gateway;
mod outages;
mod plain_english;
mod producers;
mod readme;
mod refused_updates;
mod replay_is_exact;
mod restores;
mod silent_correlators;
mod simulates_and_scores;
mod superseded_reads;
mod support;
mod support_bundles;
mod tail;
mod tls_at_the_ports;
mod tls_to_servers;
mod tokens;
mod tokens_at_the_gateway;
mod traces;
mod trails;
mod verifies;
mod webhooks;
