//! `dwell webhook`: makes, lists, tests and changes the webhooks of the ledger, which get each change to a session.
//!
//! `managing` reaches the ledger.

mod managing;

use access::{Lots, TokenRecord};
use api::{WebhookBody, WebhookView};
use clap::{Arg, ArgAction, ArgMatches, Command};
use ledger::{WebhookKind, WebhookKinds};
use service_kit::ServiceContext;
use settings::{OF_COMMANDS, OF_LINKS, Settings, WEBHOOK_PRIVATE_ADDRESSES};
use uuid::Uuid;

use crate::commands::accounts::{self, Absent, Accounts, words};
use crate::commands::api_client;
use crate::terminal::columns::columns;
use crate::terminal::output;
use managing::Webhooks;

const NAME: &str = "NAME";
const URL: &str = "URL";
const ID: &str = "ID";
const KINDS: &str = "kinds";
const OF_LOTS: &str = "of-lots";
const PLATES: &str = "plates";
const AFTER: &str = "after";
const REASON: &str = "reason";
/// The kinds that billing needs: how a stay ends, and whatever changes that later.
const DEFAULT_KINDS: &str = "session.matched,session.unmatched,session.revised,session.voided";

const EXAMPLES: &str = "\
Examples:
  dwell webhook create billing https://billing.example/dwell --plates
  dwell webhook create signs https://signs.example/in --kinds session.opened,session.matched --of-lots P3
  dwell webhook list
  dwell webhook test 5f0c1d3e-…
  dwell webhook pause 5f0c1d3e-… --reason \"billing moves\"
  dwell webhook resume 5f0c1d3e-…
  dwell webhook replay 5f0c1d3e-… --after 1200
  dwell webhook rotate 5f0c1d3e-…
  dwell webhook remove 5f0c1d3e-…";

const HELP: &str = "\
A webhook gets each change of its kinds and lots as a signed POST, at least once, in order per session (docs/webhooks.md). The
secret to verify it with is written to standard output once, by create and by rotate.

The running summary API is asked, which needs DWELL_API_TOKEN with the scopes admin and read where tokens are required, and
read_plate for --plates. If none runs, or --data-dir or --database-url names a ledger, the ledger is opened here; then
--webhook-private-addresses allowed is for receivers in your own network.

Exit codes: 0 done; 1 refused, there is no such webhook, or the receiver did not accept the test; 2 unknown flag, or a wrong
value; 69 no summary API answers, and no ledger is here; 78 wrong settings.";

/// Why nothing was listed or changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The webhooks of the ledger can't be listed or changed.
    #[error("nothing is listed or changed")]
    Accounts(#[from] accounts::Error),
    /// The receiver did not accept the test message.
    #[error("the test message was not accepted: {0}")]
    Test(String),
    /// Standard output can't be written.
    #[error("cannot write to standard output")]
    Output(#[source] std::io::Error),
}

/// The command line.
pub fn command() -> Command {
    let id = || Arg::new(ID).required(true).value_parser(id).help("The id, as dwell webhook list shows it");
    let with_id = |name: &'static str, about: &'static str| Command::new(name).about(about).arg(id());
    let pause = with_id("pause", "Stop sending to a webhook; what it has to get is kept")
        .arg(Arg::new(REASON).long(REASON).value_name("TEXT").help("The reason that lists show, at most 200 bytes"));
    let replay = with_id("replay", "Send changes again").arg(
        Arg::new(AFTER)
            .long(AFTER)
            .value_name("SEQUENCE")
            .required(true)
            .value_parser(clap::value_parser!(u64))
            .help("Send every change after this sequence number; 0 is the beginning"),
    );
    let reading = |command: Command| {
        let begin = format!("  dwell webhook {}", command.get_name());
        let examples: Vec<&str> = EXAMPLES.lines().filter(|line| line.starts_with(&begin)).collect();
        let command = command.before_help(format!("Examples:\n{}", examples.join("\n"))).after_help(HELP);
        let own = [&WEBHOOK_PRIVATE_ADDRESSES];
        settings::reading(command, &[&accounts::READ, &own, OF_LINKS, OF_COMMANDS]).arg(api_client::flag())
    };
    let commands = [
        create(),
        Command::new("list").about("List the webhooks, how far each has come, and what is wrong with it"),
        with_id("test", "Send a test message, and show what became of it"),
        pause,
        with_id("resume", "Send to a webhook again, what waits at once"),
        replay,
        with_id("rotate", "Replace the secret; for 24 hours messages are signed with the old one too"),
        with_id("remove", "Remove a webhook, and what it has to get"),
    ];
    let command = Command::new("webhook")
        .about("Manage the receivers of changes to sessions")
        .before_help(EXAMPLES)
        .after_help(HELP)
        .subcommand_required(true)
        .subcommands(commands.map(reading));
    settings::reading(command, &[OF_COMMANDS])
}

fn create() -> Command {
    let kinds = WebhookKind::ALL.map(WebhookKind::as_str).join(", ");
    Command::new("create").about("Make a webhook; its secret is shown once").args([
        Arg::new(NAME).required(true).value_parser(name).help("What the webhook is for, 1 to 64 bytes"),
        Arg::new(URL).required(true).help("The address of the receiver, https"),
        Arg::new(KINDS)
            .long(KINDS)
            .value_name("KINDS")
            .default_value(DEFAULT_KINDS)
            .value_parser(|text: &str| {
                WebhookKinds::parse(text).map_err(|word| format!("{word:?} is no kind of change"))
            })
            .help(format!("Of {kinds}, with commas")),
        Arg::new(OF_LOTS)
            .long(OF_LOTS)
            .value_name("LOTS")
            .default_value(Lots::ALL_WORD)
            .value_parser(Lots::parse)
            .help("Of which lots, with commas; * is all"),
        Arg::new(PLATES).long(PLATES).action(ArgAction::SetTrue).help("With whole plates; otherwise they are masked"),
        Arg::new(AFTER)
            .long(AFTER)
            .value_name("SEQUENCE")
            .value_parser(clap::value_parser!(u64))
            .help("Begin behind this change; 0 is the beginning; without it, with the next change"),
    ])
}

fn name(text: &str) -> Result<String, String> {
    TokenRecord::check_name(text).map(|()| text.to_owned()).map_err(|fault| format!("the name {fault}"))
}

fn id(text: &str) -> Result<Uuid, &'static str> {
    Uuid::parse_str(text).map_err(|_| "is not the id of a webhook, a UUID")
}

/// Runs the command.
///
/// # Errors
/// The webhooks can't be reached, or the request makes no sense.
pub async fn run(matches: &ArgMatches, settings: &Settings, context: &ServiceContext) -> anyhow::Result<()> {
    let Some((word, matches)) = matches.subcommand() else { return Ok(()) };
    let absent = if word == "create" { Absent::Begin } else { Absent::Refuse };
    let accounts = Accounts::open(matches, settings, context, absent).await.map_err(Error::from)?;
    let done = match Webhooks::new(&accounts, settings, context) {
        Ok(webhooks) => send(word, matches, &webhooks).await,
        Err(error) => Err(error.into()),
    };
    accounts.close().await;
    output::print(&done?).map_err(Error::Output)?;
    Ok(())
}

/// Does it; returns what to print.
async fn send(word: &str, matches: &ArgMatches, webhooks: &Webhooks<'_>) -> Result<String, Error> {
    let given = "the argument has a value";
    if word == "create" {
        let body = WebhookBody {
            name: matches.get_one::<String>(NAME).expect(given).clone(),
            url: matches.get_one::<String>(URL).expect(given).clone(),
            kinds: words(matches.get_one::<WebhookKinds>(KINDS).expect(given)),
            lots: words(matches.get_one::<Lots>(OF_LOTS).expect(given)),
            plates: matches.get_flag(PLATES),
            after: matches.get_one::<u64>(AFTER).copied(),
        };
        let created = webhooks.create(body).await?;
        tracing::info!(id = %created.webhook.id, "keep the secret now, it is not shown again");
        return Ok(format!("{}\n", created.secret.0));
    }
    if word == "list" {
        return Ok(table(webhooks.list().await?));
    }
    let id = *matches.get_one::<Uuid>(ID).expect("the argument is required");
    Ok(match word {
        "test" => match webhooks.test(id).await? {
            None => format!("{id} accepted a test message\n"),
            Some(problem) => return Err(Error::Test(problem)),
        },
        "pause" => {
            webhooks.pause(id, matches.get_one::<String>(REASON).cloned()).await?;
            format!("paused {id}\n")
        }
        "resume" => {
            webhooks.resume(id).await?;
            format!("resumed {id}\n")
        }
        "replay" => {
            let after = *matches.get_one::<u64>(AFTER).expect("the argument is required");
            webhooks.replay(id, after).await?;
            format!("{id} gets every change after {after} again\n")
        }
        "rotate" => {
            let rotated = webhooks.rotate(id).await?;
            tracing::info!(%id, "keep the secret now, it is not shown again");
            format!("{}\n", rotated.secret.0)
        }
        _ => {
            webhooks.remove(id).await?;
            format!("removed {id}\n")
        }
    })
}

/// One line a webhook, in columns.
fn table(webhooks: Vec<WebhookView>) -> String {
    let heading = ["id", "name", "url", "kinds", "lots", "plates", "waiting", "behind", "state"].map(str::to_owned);
    let rows = webhooks.into_iter().map(|webhook| {
        let state = match webhook.trouble {
            Some(trouble) => format!("{} since {}: {}", webhook.state, trouble.since, trouble.reason),
            None => webhook.state,
        };
        let kinds: Vec<&str> = webhook.kinds.iter().map(|kind| kind.trim_start_matches("session.")).collect();
        [
            webhook.id.to_string(),
            webhook.name,
            webhook.url,
            kinds.join(","),
            webhook.lots.join(","),
            if webhook.plates { "whole" } else { "masked" }.to_owned(),
            webhook.waiting.to_string(),
            webhook.behind.to_string(),
            state,
        ]
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
}
