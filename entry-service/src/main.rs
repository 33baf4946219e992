//! Entry gates, simulated, alone in their process: publishes the vehicles that come in.
//!
//! All that both directions do is the crate `simulator`'s.

use std::process::ExitCode;

use parking::Direction;
use simulator::gates::{self, Gates};

fn main() -> ExitCode {
    gates::main(Gates {
        direction: Direction::Entry,
        name: "entry-service",
        about: "Entry gates, simulated: publishes the vehicles that come in",
        listen: "127.0.0.1:2113",
    })
}
