//! `dwell user`: adds, lists and removes the people who may sign in on the page, and sets their passwords.
//!
//! `password` asks for a password, and `accounts` reaches the ledger.

mod password;

use access::{Gates, Grant, GrantFault, Lots, Password, PasswordFault, Scopes, UserName};
use api::UserView;
use clap::{Arg, ArgMatches, Command};
use service_kit::ServiceContext;
use settings::{OF_COMMANDS, OF_LINKS, Settings};

use crate::commands::accounts::{self, Absent, Accounts};
use crate::commands::api_client;
use crate::terminal::columns::columns;
use crate::terminal::output;

const NAME: &str = "NAME";
const SCOPES: &str = "scopes";
const OF_LOTS: &str = "of-lots";
const PASSWORD_FILE: &str = "password-file";

const EXAMPLES: &str = "\
Examples:
  dwell user add maria --scopes read,read_plate
  dwell user add mario --scopes read,read_plate --of-lots P1,P3
  dwell user list
  dwell user password maria
  dwell user remove maria";

const AFTER: &str = "\
A person signs in on the page with name and password, and sees what the scopes and lots allow. read,read_plate is for the
page; read shows masked plates; admin may manage tokens and users. No scope includes another.

The password is asked for twice, without showing it, or read from --password-file (- is standard input). A new password ends
the user's login sessions. The running summary API is asked, which needs DWELL_API_TOKEN with the scope admin where tokens are
required; nobody can give scopes or lots that they lack. If none runs, or --data-dir or --database-url names a ledger, the
ledger is opened here.

Exit codes: 0 done; 1 refused, or there is no such user; 2 unknown flag, or a wrong value; 69 no summary API answers, and no
ledger is here; 78 wrong settings.";

/// Why nothing was listed or changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The users of the ledger can't be listed or changed.
    #[error("nothing is listed or changed")]
    Accounts(#[from] accounts::Error),
    /// There is no password.
    #[error("there is no password")]
    Asked(#[from] password::Error),
    /// The password can be guessed.
    #[error("the password {0}")]
    Password(#[from] PasswordFault),
    /// Scopes and lots don't fit together.
    #[error("the user {0}")]
    Grant(#[from] GrantFault),
    /// Standard output can't be written.
    #[error("cannot write to standard output")]
    Output(#[source] std::io::Error),
}

/// The command line.
pub fn command() -> Command {
    let name = || {
        let parser = |text: &str| UserName::parse(text).map_err(|fault| format!("the name {fault}"));
        Arg::new(NAME).required(true).value_parser(parser).help("The name: 1 to 64 of a-z 0-9 . _ @ + -")
    };
    let password_file = || {
        let help = "The file whose first line is the password; - is standard input; without it, it is asked for";
        Arg::new(PASSWORD_FILE).long(PASSWORD_FILE).value_name("FILE").help(help)
    };
    let scopes = |text: &str| Scopes::parse(text).map_err(|fault| fault.to_string());
    let add = Command::new("add").about("Add a person who may sign in on the page").args([
        name(),
        Arg::new(SCOPES)
            .long(SCOPES)
            .value_name("SCOPES")
            .required(true)
            .value_parser(scopes)
            .help("What the person may do: of ingest, record, read, read_plate, correct, admin, with commas"),
        Arg::new(OF_LOTS)
            .long(OF_LOTS)
            .value_name("LOTS")
            .default_value(Lots::ALL_WORD)
            .value_parser(Lots::parse)
            .help("In which lots, with commas; * is all"),
        password_file(),
    ]);
    let list = Command::new("list").about("List the users");
    let password = Command::new("password").about("Set the password of a user").args([name(), password_file()]);
    let remove = Command::new("remove").about("Remove a user, and end the user's login sessions").arg(name());
    let reading = |command: Command| {
        let begin = format!("  dwell user {}", command.get_name());
        let examples: Vec<&str> = EXAMPLES.lines().filter(|line| line.starts_with(&begin)).collect();
        let command = command.before_help(format!("Examples:\n{}", examples.join("\n"))).after_help(AFTER);
        settings::reading(command, &[&accounts::READ, OF_LINKS, OF_COMMANDS]).arg(api_client::flag())
    };
    let command = Command::new("user")
        .about("Manage the people who may sign in on the page")
        .before_help(EXAMPLES)
        .after_help(AFTER)
        .subcommand_required(true)
        .subcommands([add, list, password, remove].map(reading));
    settings::reading(command, &[OF_COMMANDS])
}

/// Runs the command.
///
/// # Errors
/// The users can't be reached, there is no password, or the request makes no sense.
pub async fn run(matches: &ArgMatches, settings: &Settings, context: &ServiceContext) -> anyhow::Result<()> {
    let Some((word, matches)) = matches.subcommand() else { return Ok(()) };
    let request = Request::read(word, matches, context).await?;
    let absent = if word == "add" { Absent::Begin } else { Absent::Refuse };
    let accounts = Accounts::open(matches, settings, context, absent).await.map_err(Error::from)?;
    let done = request.send(&accounts).await;
    accounts.close().await;
    output::print(&done?).map_err(Error::Output)?;
    Ok(())
}

/// What is to be done. It is complete before the ledger is opened, because a person takes time to type a password.
enum Request {
    Add { name: UserName, password: String, grant: Grant },
    List,
    SetPassword { name: UserName, password: String },
    Remove(UserName),
}

impl Request {
    async fn read(word: &str, matches: &ArgMatches, context: &ServiceContext) -> Result<Self, Error> {
        let given = "the argument has a value";
        let name = || matches.get_one::<UserName>(NAME).expect(given).clone();
        Ok(match word {
            "add" => {
                let scopes = *matches.get_one::<Scopes>(SCOPES).expect(given);
                let lots = matches.get_one::<Lots>(OF_LOTS).expect(given).clone();
                let grant = Grant::new(scopes, lots, Gates::All)?;
                Self::Add { name: name(), password: chosen(matches, &name(), context).await?, grant }
            }
            "password" => Self::SetPassword { name: name(), password: chosen(matches, &name(), context).await? },
            "remove" => Self::Remove(name()),
            _ => Self::List,
        })
    }

    /// Does it; returns what to print.
    async fn send(self, accounts: &Accounts) -> Result<String, Error> {
        Ok(match self {
            Self::Add { name, password, grant } => {
                accounts.add_user(&name, &password, grant).await?;
                format!("added {name}\n")
            }
            Self::SetPassword { name, password } => {
                accounts.set_password(&name, &password).await?;
                format!("set the password of {name}\n")
            }
            Self::Remove(name) => {
                accounts.remove_user(&name).await?;
                format!("removed {name}\n")
            }
            Self::List => table(accounts.users().await?),
        })
    }
}

/// A new password that is strong enough.
async fn chosen(matches: &ArgMatches, name: &UserName, context: &ServiceContext) -> Result<String, Error> {
    let text = match matches.get_one::<String>(PASSWORD_FILE) {
        Some(file) => password::from_file(file).await?,
        None => password::typed_twice(name, &context.lifecycle).await?,
    };
    Password::chosen(&text, name)?;
    Ok(text)
}

/// One line a user, in columns.
fn table(users: Vec<UserView>) -> String {
    let heading = ["name", "scopes", "lots", "created"].map(str::to_owned);
    let rows = users.into_iter().map(|user| [user.name, user.scopes.join(","), user.lots.join(","), user.created]);
    columns(&std::iter::once(heading).chain(rows).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_lines_are_sound() {
        command().debug_assert();
    }
}
