//! `dwell gate`: how messages of cameras are read, shown without publishing them.
//!
//! `test` reads one message from a file, `listen` what arrives on a port. The crates `gateway` and `camera-formats` do
//! the reading.

mod listen;
mod test;

use clap::{ArgMatches, Command};
use gateway::gates::Gates;
use parking::printable;
use service_kit::ServiceContext;
use settings::{LOTS, OF_COMMANDS, PUBLIC_HOSTS, Settings, TLS_CERT_FILE, TLS_CLIENT_CA_FILE, TLS_KEY_FILE};

const EXAMPLES: &str = "\
Examples:
  dwell gate test P3-in-1 message.json --lots lots.toml
  dwell gate listen --lots lots.toml --address 192.0.2.10:8080";

const EXIT_CODES: &str = "\
Exit codes: 0 done; 1 the message can't be read, or the file; 2 unknown flag; 69 the port is taken; 78 wrong settings.";

/// Why nothing can be shown.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting, or the lots file, is wrong.
    #[error("the gates can't be read")]
    Config(#[from] settings::Error),
    /// There is no gate of that name.
    #[error("there is no gate {gate:?} in the lots file; its gates are {known}")]
    NoGate {
        /// The name that was given.
        gate: String,
        /// The names that there are.
        known: String,
    },
    /// A flag has a wrong value.
    #[error("{flag} {value:?}: {problem}")]
    Flag {
        /// The flag.
        flag: &'static str,
        /// Its value.
        value: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The message can't be read from its file.
    #[error("cannot read {file}")]
    File {
        /// The file.
        file: String,
        /// The system's error.
        source: std::io::Error,
    },
    /// The gateway would refuse the message.
    #[error("the message can't be read: {0}")]
    Refused(String),
    /// The port can't be opened.
    #[error("nothing can be received")]
    Bind(#[from] service_kit::http::BindError),
    /// The port can't have TLS.
    #[error("nothing can be received")]
    Tls(#[from] service_kit::tls::Error),
    /// Two metrics collide: a defect of the program.
    #[error("nothing can be received")]
    Metrics(#[from] service_kit::metrics::Error),
    /// Standard output can't be written.
    #[error("cannot write to standard output")]
    Output(#[source] std::io::Error),
}

/// The command line.
pub fn command() -> Command {
    let command = Command::new("gate")
        .about("Show how messages of cameras are read, without publishing them")
        .before_help(EXAMPLES)
        .after_help(EXIT_CODES)
        .subcommand_required(true)
        .subcommands([test::command(), listen::command()]);
    let of_listen = &[&LOTS, &PUBLIC_HOSTS, &TLS_CERT_FILE, &TLS_KEY_FILE, &TLS_CLIENT_CA_FILE];
    settings::reading(command, &[of_listen, OF_COMMANDS])
}

/// Writes a line to standard error: standard output is for the result.
#[expect(clippy::print_stderr, reason = "what is left out is for the person, and standard output for the events")]
fn say(line: &str) {
    eprintln!("{}", printable::one_line(line));
}

/// Runs the command.
///
/// # Errors
/// The message can't be read, or the port can't be opened.
pub async fn run(matches: &ArgMatches, settings: &Settings, context: &ServiceContext) -> anyhow::Result<()> {
    // Without it there would be no gate, and nothing to show.
    settings.required(&LOTS).map_err(Error::from)?;
    let gates = Gates::from_settings(settings).map_err(Error::from)?;
    match matches.subcommand() {
        Some((listen::NAME, matches)) => Ok(listen::run(matches, gates, settings, context).await?),
        Some((_, matches)) => Ok(test::run(matches, &gates, context)?),
        None => Ok(()),
    }
}
