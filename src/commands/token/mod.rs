//! `dwell token`: makes, lists and revokes tokens, of the ledger or of a tokens file.
//!
//! A running summary API reads both again within a second. The crate `access` defines tokens and the file's text;
//! `file` replaces the file, and `accounts` reaches the ledger.

mod file;

use std::time::Duration;

use access::{
    Gates, Grant, GrantFault, Lots, RevokeFault, Scopes, Token, TokenId, TokenRecord, Tokens, TokensFileError,
};
use api::TokenView;
use clap::{Arg, ArgMatches, Command};
use parking::Timestamp;
use service_kit::ServiceContext;
use settings::{OF_COMMANDS, OF_LINKS, Settings, TOKENS_FILE};

use crate::commands::accounts::{self, Absent, Accounts};
use crate::commands::api_client;
use crate::terminal::columns::columns;
use crate::terminal::output;

const NAME: &str = "NAME";
const ID: &str = "ID";
const SCOPES: &str = "scopes";
const OF_LOTS: &str = "of-lots";
const OF_GATES: &str = "of-gates";
const EXPIRES: &str = "expires";

const EXAMPLES: &str = "\
Examples:
  dwell token create page --scopes read,read_plate
  dwell token create till --scopes ingest --of-lots P3 --expires 90d
  dwell token list
  dwell token revoke k3v9x2ma
  dwell token create page --scopes read,read_plate --tokens-file tokens.toml    (in a file instead of the ledger)";

const AFTER: &str = "\
Scopes: read (sessions, lots, statistics, status), read_plate (whole plates; with read), ingest (POST /save_summary), record
(correlators), admin (tokens and users), correct (no route needs it yet). No scope includes another.

The tokens are those of the ledger. The running summary API is asked, which needs DWELL_API_TOKEN with the scope admin where
tokens are required; nobody can give scopes or lots that they lack. If none runs, or --data-dir or --database-url names a
ledger, the ledger is opened here. With --tokens-file (or DWELL_TOKENS_FILE) they are those of a file.

The token is written to standard output once; only its hash is stored. docs/security.md says who needs which scopes.

Exit codes: 0 done; 1 refused, or there is no such token; 2 unknown flag, or a wrong value; 69 no summary API answers, and no
ledger is here; 78 wrong settings.";

/// Why there is no token, or no list.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The tokens of the ledger can't be listed or changed.
    #[error("nothing is listed or changed")]
    Accounts(#[from] accounts::Error),
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
        .about("Make a token; it is shown once, and only its hash is stored")
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
        .about("List the tokens")
        .before_help("Examples:\n  dwell token list\n  dwell token list --tokens-file tokens.toml")
        .after_help(exit_codes());
    let revoke = Command::new("revoke")
        .about("Revoke a token: it is refused within about a second")
        .before_help("Examples:\n  dwell token revoke k3v9x2ma")
        .after_help(exit_codes())
        .arg(Arg::new(ID).required(true).value_parser(TokenId::parse).help("The id, as dwell token list shows it"));
    let reading = |command: Command| {
        settings::reading(command, &[&[&TOKENS_FILE], &accounts::READ, OF_LINKS, OF_COMMANDS]).arg(api_client::flag())
    };
    let command = Command::new("token")
        .about("Make, list and revoke the tokens of the summary API's clients")
        .before_help(EXAMPLES)
        .after_help(exit_codes())
        .subcommand_required(true)
        .subcommands([create, list, revoke].map(reading));
    settings::reading(command, &[&[&TOKENS_FILE], OF_COMMANDS])
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
/// The tokens can't be reached, or the request makes no sense.
pub async fn run(matches: &ArgMatches, settings: &Settings, context: &ServiceContext) -> anyhow::Result<()> {
    let Some((word, matches)) = matches.subcommand() else { return Ok(()) };
    let now = context.clock.now();
    Ok(match tokens_file(matches, settings) {
        Some(path) => in_file(word, matches, path, now),
        None => in_ledger(word, matches, settings, context).await,
    }?)
}

/// The tokens file, if one is named, and no flag names a summary API or a ledger.
fn tokens_file<'a>(matches: &ArgMatches, settings: &'a Settings) -> Option<&'a str> {
    let is_elsewhere =
        api_client::is_flagged(matches) || accounts::LEDGER_FLAGS.iter().any(|flag| settings.is_flag(flag));
    settings.text(&TOKENS_FILE).filter(|_| settings.is_flag(&TOKENS_FILE) || !is_elsewhere)
}

fn in_file(word: &str, matches: &ArgMatches, path: &str, now: Timestamp) -> Result<(), Error> {
    match word {
        "create" => create_in_file(&NewToken::read(matches, now)?, path, now),
        "revoke" => {
            let id = id(matches);
            file::change(path, file::Absent::Refuse, |text| Ok(Tokens::file_without(text, id)?))?;
            print(&format!("revoked {id}\n"))
        }
        _ => {
            let text = file::read(path)?;
            let tokens =
                Tokens::parse_file(&text).map_err(|source| Error::Content { file: path.to_owned(), source })?;
            print(&table(tokens.records().map(TokenView::from), now))
        }
    }
}

async fn in_ledger(
    word: &str,
    matches: &ArgMatches,
    settings: &Settings,
    context: &ServiceContext,
) -> Result<(), Error> {
    let now = context.clock.now();
    let new = if word == "create" { Some(NewToken::read(matches, now)?) } else { None };
    let absent = if new.is_some() { Absent::Begin } else { Absent::Refuse };
    let accounts = Accounts::open(matches, settings, context, absent).await?;
    let done = match new {
        Some(NewToken { name, grant, expires }) => match accounts.create_token(&name, grant, expires).await {
            Ok((secret, token)) => {
                write(&secret.0).map(|()| tracing::info!(id = token.id, "keep the token now, it is not shown again"))
            }
            Err(error) => Err(error.into()),
        },
        None if word == "revoke" => match accounts.revoke_token(id(matches)).await {
            Ok(()) => print(&format!("revoked {}\n", id(matches))),
            Err(error) => Err(error.into()),
        },
        None => match accounts.tokens().await {
            Ok(tokens) => print(&table(tokens.into_iter(), now)),
            Err(error) => Err(error.into()),
        },
    };
    accounts.close().await;
    done
}

/// A token that the command line asks for.
struct NewToken {
    name: String,
    grant: Grant,
    expires: Option<Timestamp>,
}

impl NewToken {
    fn read(matches: &ArgMatches, now: Timestamp) -> Result<Self, Error> {
        let given = "the argument has a value";
        let name = matches.get_one::<String>(NAME).expect(given).clone();
        let scopes = *matches.get_one::<Scopes>(SCOPES).expect(given);
        let lots = matches.get_one::<Lots>(OF_LOTS).expect(given).clone();
        let gates = matches.get_one::<Gates>(OF_GATES).expect(given).clone();
        let expires = matches.get_one::<Expiry>(EXPIRES).map(|expiry| expiry.from(now));
        Ok(Self { name, grant: Grant::new(scopes, lots, gates)?, expires })
    }
}

fn id(matches: &ArgMatches) -> TokenId {
    *matches.get_one::<TokenId>(ID).expect("the argument is required")
}

fn create_in_file(new: &NewToken, path: &str, now: Timestamp) -> Result<(), Error> {
    let mut random = [0; Token::RANDOM_BYTES];
    getrandom::fill(&mut random).map_err(Error::Random)?;
    let token = Token::from_random(&random);
    let record = TokenRecord::new(&token, new.name.clone(), new.grant.clone(), now, new.expires);
    file::change(path, file::Absent::Begin, |text| {
        Tokens::file_with(text, &record).map_err(|source| Error::Content { file: path.to_owned(), source })
    })?;
    write(token.expose())?;
    tracing::info!(id = %token.id(), file = path, "the token is in the file; keep it now, it is not shown again");
    Ok(())
}

fn write(secret: &str) -> Result<(), Error> {
    output::write(format!("{secret}\n").as_bytes()).map(drop).map_err(Error::Output)
}

fn print(text: &str) -> Result<(), Error> {
    output::print(text).map(drop).map_err(Error::Output)
}

/// One line a token, in columns.
fn table(tokens: impl Iterator<Item = TokenView>, now: Timestamp) -> String {
    let heading = ["id", "name", "scopes", "lots", "gates", "expires"].map(str::to_owned);
    let rows = tokens.map(|token| {
        let has_ended = |at: &str| Timestamp::parse_rfc3339(at).is_ok_and(|at| at <= now);
        let end = match (token.revoked, token.expires) {
            (Some(at), _) => format!("revoked {at}"),
            (None, Some(at)) if has_ended(&at) => format!("{at} (expired)"),
            (None, Some(at)) => at,
            (None, None) => "never".to_owned(),
        };
        [token.id, token.name, token.scopes.join(","), token.lots.join(","), token.gates.join(","), end]
    });
    columns(&std::iter::once(heading).chain(rows).collect::<Vec<_>>())
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
