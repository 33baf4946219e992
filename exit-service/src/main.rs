//! Exit gates, simulated, alone in their process: publishes the vehicles that leave.
//!
//! All that both directions do is the crate `simulator`'s.

use std::process::ExitCode;

use parking::Direction;
use simulator::gates::{self, Gates};

fn main() -> ExitCode {
    gates::main(Gates {
        direction: Direction::Exit,
        name: "exit-service",
        about: "Exit gates, simulated: publishes the vehicles that leave",
        listen: "127.0.0.1:2114",
    })
}
