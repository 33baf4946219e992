//! Simulated entry gates as a separate process: publishes entering vehicles.
//!
//! The crate `simulator` has everything that both directions share.

use std::process::ExitCode;

use build_identity::BUILD;
use parking::Direction;
use simulator::gates::{self, Gates};

fn main() -> ExitCode {
    gates::main(Gates {
        direction: Direction::Entry,
        name: "entry-service",
        about: "Entry gates, simulated: publishes the vehicles that come in",
        listen: "127.0.0.1:2113",
        build: BUILD,
    })
}
