//! The program of the exit gates, tested as the programs of all gates are.

#[path = "../../crates/simulator/tests/program/mod.rs"]
mod program;

const PROGRAM: &str = env!("CARGO_BIN_EXE_exit-service");
