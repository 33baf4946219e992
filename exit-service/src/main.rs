//! Simulated exit gates as a separate process: publishes leaving vehicles.
//!
//! The crate `simulator` has everything that both directions share.

use std::process::ExitCode;

use build_identity::BUILD;
use parking::Direction;
use simulator::gates::{self, Gates};

fn main() -> ExitCode {
    gates::main(Gates {
        direction: Direction::Exit,
        name: "exit-service",
        about: "Exit gates, simulated: publishes the vehicles that leave",
        listen: "127.0.0.1:2114",
        build: BUILD,
    })
}
