//! `dwell completions`: the script by which a shell completes the command line.

use clap::{Arg, ArgMatches, Command, value_parser};
use clap_complete::Shell;

use crate::terminal::output;

const SHELL: &str = "SHELL";

const EXAMPLES: &str = "\
Examples:
  source <(dwell completions bash)
  dwell completions zsh > ~/.zfunc/_dwell
  dwell completions fish > ~/.config/fish/completions/dwell.fish";

/// Standard output can't be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to standard output")]
pub struct Error(#[from] std::io::Error);

/// The command line.
pub fn command() -> Command {
    let command = Command::new("completions")
        .about("Write a script that completes the command line")
        .before_help(EXAMPLES)
        .after_help("Exit codes: 0 written; 1 standard output can't be written; 2 no shell, or an unknown one; 78 wrong settings.")
        .arg(Arg::new(SHELL).required(true).value_parser(value_parser!(Shell)).help("For this shell"));
    settings::reading(command, &[])
}

/// Writes the script for `program` to standard output.
///
/// # Errors
/// Standard output can't be written.
pub fn run(matches: &ArgMatches, mut program: Command) -> Result<(), Error> {
    let Some(shell) = matches.get_one::<Shell>(SHELL) else { return Ok(()) };
    let mut script = Vec::new();
    let name = program.get_name().to_owned();
    clap_complete::generate(*shell, &mut program, name, &mut script);
    output::write(&script)?;
    Ok(())
}
