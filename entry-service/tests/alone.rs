//! The program of the entry gates, tested as the programs of all gates are.

#[path = "../../crates/simulator/tests/program/mod.rs"]
mod program;

const PROGRAM: &str = env!("CARGO_BIN_EXE_entry-service");
