//! The tests of every gate program, on the entry gates.

#[path = "../../crates/simulator/tests/program/mod.rs"]
mod program;

const PROGRAM: &str = env!("CARGO_BIN_EXE_entry-service");
