//! `dwell token`: makes, lists and revokes the tokens of a tokens file.
//!
//! A running summary API reads the file again within a second. The crate `access` defines tokens and the file's text;
//! `file` replaces the file.

mod file;

use std::time::Duration;

use access::{
    Gates, Grant, GrantFault, Lots, RevokeFault, Scopes, Token, TokenId, TokenRecord, Tokens, TokensFileError,
};
use clap::{Arg, ArgMatches, Command};
use parking::Timestamp;
use service_kit::ServiceContext;
use settings::{OF_COMMANDS, Settings, TOKENS_FILE};

use crate::terminal::output;

const NAME: &str = "NAME";
const ID: &str = "ID";
const SCOPES: &str = "scopes";
const OF_LOTS: &str = "of-lots";
const OF_GATES: &str = "of-gates";
const EXPIRES: &str = "expires";

const EXAMPLES: &str = "\
Examples:
  dwell token create page --scopes read,read_plate --tokens-file tokens.toml
  dwell token create till --scopes ingest --of-lots P3 --expires 90d --tokens-file tokens.toml
  dwell token list --tokens-file tokens.toml
  dwell token revoke k3v9x2ma --tokens-file tokens.toml";

const AFTER: &str = "\
Scopes: read (sessions, lots, statistics, status), read_plate (whole plates; with read), ingest (POST /save_summary), record
(correlators), correct and admin (no route needs them yet, except that admin may verify). No scope includes another.

The token is written to standard output once; the file has only its hash. The summary API reads the file again within a
second of a change. docs/security.md says who needs which scopes.

Exit codes: 0 done; 1 the file can't be read or written, or has no such token; 2 unknown flag, or a wrong value; 78 wrong
settings.";

/// Why there is no token, or no list.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No file is named.
    #[error("which tokens file?")]
    Config(#[from] settings::Error),
    /// The file can't be read, or its folder can't be locked.
    #[error("the tokens file {file} can't be used: {problem}")]
    File {
        /// The file.
        file: String,
        /// What is wrong.
        problem: String,
    },
    /// The file can't be written.
    #[error("nothing is changed")]
    Write(#[from] event_files::atomic_file::Error),
    /// A line of the file is wrong.
    #[error("the tokens file {file} has an error")]
    Content {
        /// The file.
        file: String,
        /// The line, and what is wrong.
        source: TokensFileError,
    },
    /// The token can't be taken out of the file.
    #[error("nothing is revoked")]
    Revoke(#[from] RevokeFault),
    /// Scopes, lots and gates don't fit together.
    #[error("the token {0}")]
    Grant(#[from] GrantFault),
    /// The operating system gives no random bytes.
    #[error("the operating system gives no random bytes ({0}), so there is no safe token")]
    Random(getrandom::Error),
    /// Standard output can't be written.
    #[error("cannot write to standard output")]
    Output(#[source] std::io::Error),
}

/// The command line.
pub fn command() -> Command {
    let create = Command::new("create")
        .about("Make a token, and add its hash to the tokens file")
        .before_help(EXAMPLES.lines().take(3).collect::<Vec<_>>().join("\n"))
        .after_help(AFTER)
        .args([
            Arg::new(NAME).required(true).value_parser(name).help("What the token is for, 1 to 64 bytes"),
            Arg::new(SCOPES)
                .long(SCOPES)
                .value_name("SCOPES")
                .required(true)
                .value_parser(|text: &str| Scopes::parse(text).map_err(|fault| fault.to_string()))
                .help("What its holder may do: of ingest, record, read, read_plate, correct, admin, with commas"),
            Arg::new(OF_LOTS)
                .long(OF_LOTS)
                .value_name("LOTS")
                .default_value(Lots::ALL_WORD)
                .value_parser(Lots::parse)
                .help("In which lots, with commas; * is all"),
            Arg::new(OF_GATES)
                .long(OF_GATES)
                .value_name("GATES")
                .default_value(Lots::ALL_WORD)
                .value_parser(Gates::parse)
                .help("For ingest: of which gates, with commas; * is all"),
            Arg::new(EXPIRES)
                .long(EXPIRES)
                .value_name("TIME")
                .value_parser(Expiry::parse)
                .help("When it ends, such as 90d or 2027-01-01T00:00:00Z; without it, when it is revoked"),
        ]);
    let list = Command::new("list")
        .about("List the tokens of the tokens file")
        .before_help("Examples:\n  dwell token list --tokens-file tokens.toml")
        .after_help(exit_codes());
    let revoke = Command::new("revoke")
        .about("Take a token out of the tokens file")
        .before_help("Examples:\n  dwell token revoke k3v9x2ma --tokens-file tokens.toml")
        .after_help(exit_codes())
        .arg(Arg::new(ID).required(true).value_parser(TokenId::parse).help("The id, as dwell token list shows it"));
    let reading = |command: Command| settings::reading(command, &[&[&TOKENS_FILE], OF_COMMANDS]);
    let command = Command::new("token")
        .about("Make, list and revoke the tokens of the summary API's clients")
        .before_help(EXAMPLES)
        .after_help(exit_codes())
        .subcommand_required(true)
        .subcommands([create, list, revoke].map(reading));
    reading(command)
}

fn exit_codes() -> String {
    AFTER.split("\n\n").last().unwrap_or_default().to_owned()
}

fn name(text: &str) -> Result<String, String> {
    TokenRecord::check_name(text).map(|()| text.to_owned()).map_err(|fault| format!("the name {fault}"))
}

/// When a token ends, as the command line says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expiry {
    At(Timestamp),
    In(Duration),
}

impl Expiry {
    fn parse(text: &str) -> Result<Self, &'static str> {
        let at = Timestamp::parse_rfc3339(text).ok().map(Self::At);
        let within = || humantime::parse_duration(text).ok().map(Self::In);
        at.or_else(within).ok_or("is neither a time such as 2027-01-01T00:00:00Z nor a duration such as 90d")
    }

    fn from(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::In(duration) => now.plus_millis(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)),
        }
    }
}

/// Runs the command.
///
/// # Errors
/// The file can't be read or written, or the request makes no sense.
pub fn run(matches: &ArgMatches, settings: &Settings, context: &ServiceContext) -> Result<(), Error> {
    let path = settings.required(&TOKENS_FILE)?;
    match matches.subcommand() {
        Some(("create", matches)) => create(matches, path, context.clock.now()),
        Some(("revoke", matches)) => revoke(matches, path),
        _ => list(path, context.clock.now()),
    }
}

fn create(matches: &ArgMatches, path: &str, now: Timestamp) -> Result<(), Error> {
    let given = "the argument has a value";
    let name = matches.get_one::<String>(NAME).expect(given);
    let scopes = *matches.get_one::<Scopes>(SCOPES).expect(given);
    let lots = matches.get_one::<Lots>(OF_LOTS).expect(given).clone();
    let gates = matches.get_one::<Gates>(OF_GATES).expect(given).clone();
    let grant = Grant::new(scopes, lots, gates)?;
    let expires = matches.get_one::<Expiry>(EXPIRES).map(|expiry| expiry.from(now));

    let mut random = [0; Token::RANDOM_BYTES];
    getrandom::fill(&mut random).map_err(Error::Random)?;
    let token = Token::from_random(&random);
    let record = TokenRecord::new(&token, name.clone(), grant, now, expires);
    file::change(path, file::Absent::Begin, |text| {
        Tokens::file_with(text, &record).map_err(|source| Error::Content { file: path.to_owned(), source })
    })?;
    output::write(format!("{}\n", token.expose()).as_bytes()).map_err(Error::Output)?;
    tracing::info!(id = %token.id(), file = path, "the token is in the file; keep it now, it is not shown again");
    Ok(())
}

fn revoke(matches: &ArgMatches, path: &str) -> Result<(), Error> {
    let id = *matches.get_one::<TokenId>(ID).expect("the argument is required");
    file::change(path, file::Absent::Refuse, |text| Ok(Tokens::file_without(text, id)?))?;
    output::print(&format!("revoked {id}\n")).map_err(Error::Output)?;
    Ok(())
}

fn list(path: &str, now: Timestamp) -> Result<(), Error> {
    let text = file::read(path)?;
    let tokens = Tokens::parse_file(&text).map_err(|source| Error::Content { file: path.to_owned(), source })?;
    output::print(&table(&tokens, now)).map_err(Error::Output)?;
    Ok(())
}

/// One line a token, in columns.
fn table(tokens: &Tokens, now: Timestamp) -> String {
    let heading = ["id", "name", "scopes", "lots", "gates", "expires"].map(str::to_owned);
    let rows = tokens.records().map(|record| {
        let expires = match record.expires {
            Some(at) if at <= now => format!("{at} (expired)"),
            Some(at) => at.to_string(),
            None => "never".to_owned(),
        };
        let grant = &record.grant;
        let (scopes, lots, gates) = (grant.scopes().to_string(), grant.lots().to_string(), grant.gates().to_string());
        [record.id.to_string(), record.name.clone(), scopes, lots, gates, expires]
    });
    let rows: Vec<[String; 6]> = std::iter::once(heading).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..6).map(width).collect();
    let line = |row: &[String; 6]| {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        format!("{}\n", cells.join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_lines_are_sound() {
        command().debug_assert();
    }

    #[test]
    fn an_end_is_a_time_or_a_duration_from_now() {
        let now = Timestamp::from_millis(0);
        let ends = |text| Expiry::parse(text).map(|expiry| expiry.from(now).to_string());
        assert_eq!(ends("90d").as_deref(), Ok("1970-04-01T00:00:00.000Z"));
        assert_eq!(ends("2027-01-01T01:00:00+01:00").as_deref(), Ok("2027-01-01T00:00:00.000Z"));
        assert!(ends("soon").is_err());
    }
}
