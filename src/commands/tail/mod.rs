//! `dwell tail`: the live feed of a running summary API in a terminal, one line per change.
//!
//! It follows `/api/v1/live/events`. When the connection ends, it reconnects with the number of the last shown
//! change, so that no change is missed or repeated. `line` formats a change, `events` parses the protocol.

mod events;
mod line;

use std::time::Duration;

use api::{ChangeView, LotPage};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use parking::{LotId, printable};
use reqwest::Response;
use service_kit::{Backoff, ServiceContext};
use settings::Settings;
use tls::Connector;

use self::events::{Event, Events};
use crate::commands::api_client::{self, Client, Patience, address};
use crate::terminal::output;
use crate::terminal::progress::Progress;

const LOT: &str = "lot";
const AFTER_CHANGE: &str = "after";
const JSON: &str = "json";
/// Two heartbeats may be missed; the third is due at this time.
const HEARTBEAT_TIMEOUT: Duration = Duration::from_secs(45);

const EXAMPLES: &str = "\
Examples:
  dwell tail
  dwell tail --api http://parking.example:5000 --lot P3
  dwell tail --after 0 --json | jq -r .session.vehicle_plate";

const AFTER: &str = "\
Each line is a change to a session: when it was recorded, the lot, the plate, what the session is now, and its times (all
UTC). When the connection breaks it is made again, and goes on behind the last change that was shown.

Exit codes: 0 stopped by Ctrl-C, or nobody reads on; 1 the feed refused; 2 unknown flag; 69 no summary API answers at
the start; 78 wrong settings.";

/// Why the feed can't be followed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting is wrong.
    #[error("the feed can't be followed")]
    Config(#[from] settings::Error),
    /// The summary API is unreachable, or does not answer with the feed.
    #[error(transparent)]
    Api(#[from] api_client::Error),
    /// The lines can't be written.
    #[error("cannot write to standard output")]
    Output(#[source] std::io::Error),
}

impl Error {
    /// Whether to reconnect, once the feed has worked.
    fn may_pass(&self) -> bool {
        matches!(self, Self::Api(error) if error.may_pass())
    }
}

/// The command line.
pub fn command() -> Command {
    let lot = |text: &str| LotId::parse(text).map_err(|problem| format!("it {problem}"));
    let command = Command::new("tail")
        .about("Show each change to a session as it is recorded")
        .before_help(EXAMPLES)
        .after_help(AFTER)
        .args([
            api_client::flag(),
            Arg::new(LOT).long(LOT).value_name("LOT").value_parser(lot).help("Of this lot only"),
            Arg::new(AFTER_CHANGE)
                .long(AFTER_CHANGE)
                .value_name("NUMBER")
                .value_parser(value_parser!(u64))
                .help("Begin behind the change of this number; 0 is the beginning of the ledger, without it: now"),
            Arg::new(JSON).long(JSON).action(ArgAction::SetTrue).help("Write one JSON object a change"),
        ]);
    api_client::reading(command)
}

/// Runs the command.
///
/// # Errors
/// The feed can't be followed, or the lines can't be written.
pub async fn run(matches: &ArgMatches, settings: &Settings, context: &ServiceContext) -> anyhow::Result<()> {
    let following = Box::pin(follow(matches, settings));
    tokio::select! {
        done = following => Ok(done?),
        () = context.lifecycle.stopping() => Ok(()),
    }
}

async fn follow(matches: &ArgMatches, settings: &Settings) -> Result<(), Error> {
    let mut feed = Feed::new(matches, settings)?;
    let is_json = matches.get_flag(JSON);
    let said = Progress::of_waiting("following");
    let mut answer = feed.open().await?;
    if let Some(lot) = matches.get_one::<LotId>(LOT) {
        warn_of_unknown(lot, &feed.client, &said).await;
    }
    let mut backoff = Backoff::default();
    loop {
        let shown = feed.position;
        let Some(why) = feed.show(answer, is_json).await? else { return Ok(()) };
        if feed.position != shown {
            backoff.reset();
        }
        said.say(&format!("{why}; connecting again"));
        answer = loop {
            tokio::time::sleep(backoff.next_delay()).await;
            match feed.open().await {
                Ok(answer) => break answer,
                Err(error) if error.may_pass() => tracing::debug!(%error, "reconnecting to the feed"),
                Err(error) => return Err(error),
            }
        };
    }
}

/// Warns about an unknown lot. A lot without sessions may have some later, so it is followed anyway; but a typo in
/// its name should be noticed.
async fn warn_of_unknown(lot: &LotId, client: &Client, said: &Progress) {
    match client.get::<LotPage>("api/v1/lots", &[], Patience::None).await {
        Ok(page) => {
            if let Some(warning) = unknown(lot, &page) {
                said.say(&warning);
            }
        }
        Err(error) => tracing::debug!(%error, "cannot read the known lots"),
    }
}

/// The warning about a lot that is not among these.
fn unknown(lot: &LotId, page: &LotPage) -> Option<String> {
    const NAMES_MAX: usize = 10;
    // With several pages the lot may be on a later one.
    if page.next_cursor.is_some() || page.lots.iter().any(|known| known.id == lot.as_str()) {
        return None;
    }
    let names: Vec<&str> = page.lots.iter().take(NAMES_MAX).map(|known| known.id.as_str()).collect();
    let more = if page.lots.len() > NAMES_MAX { ", …" } else { "" };
    let names = names.join(", ");
    Some(format!(
        "lot {lot} has no session yet and is not in the file of lots, so it may be a typo; known are: {names}{more}"
    ))
}

/// The feed at one address, and the last shown change.
struct Feed {
    client: Client,
    lot: Option<LotId>,
    position: Option<u64>,
}

impl Feed {
    fn new(matches: &ArgMatches, settings: &Settings) -> Result<Self, Error> {
        let (address, connector) = (address(matches, settings)?, Connector::from_settings(settings)?);
        let client = Client::of_streams(&address, HEARTBEAT_TIMEOUT, &connector)?.showing(api_client::token(settings)?);
        let lot = matches.get_one::<LotId>(LOT).cloned();
        Ok(Self { client, lot, position: matches.get_one::<u64>(AFTER_CHANGE).copied() })
    }

    /// The answer with the feed.
    async fn open(&self) -> Result<Response, Error> {
        let position = self.position.map(|position| position.to_string());
        let parameters = [("after", position.as_deref()), ("lot_id", self.lot.as_ref().map(LotId::as_str))];
        let given: Vec<_> = parameters.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        Ok(self.client.open("api/v1/live/events", &given).await?)
    }

    /// Shows changes until the connection ends, and returns the reason; `None` if standard output is closed.
    async fn show(&mut self, mut answer: Response, is_json: bool) -> Result<Option<String>, Error> {
        let mut events = Events::default();
        let mut why = "the connection has ended".to_owned();
        loop {
            let chunk = match answer.chunk().await {
                Ok(Some(chunk)) => chunk,
                Ok(None) => return Ok(Some(why)),
                Err(error) => return Ok(Some(format!("the connection broke off ({})", api_client::deepest(&error)))),
            };
            let arrived = events.push(&chunk).map_err(|problem| self.strange(problem.to_owned()))?;
            let mut lines = String::new();
            for event in arrived {
                match event.name.as_str() {
                    "" => self.take(&event, is_json, &mut lines)?,
                    _ => {
                        why = format!("the summary API ended the feed ({})", event.data.replace(char::is_control, " "));
                    }
                }
            }
            if !write(lines).await? {
                return Ok(None);
            }
        }
    }

    /// Appends the line of a change. An event without data only reports the position of the feed.
    fn take(&mut self, event: &Event, is_json: bool, lines: &mut String) -> Result<(), Error> {
        if !event.data.is_empty() {
            // The text of serde's errors may quote a plate.
            let change: ChangeView = serde_json::from_str(&event.data).map_err(|error| {
                self.strange(format!("an event is not the JSON of a change (column {})", error.column()))
            })?;
            if is_json {
                lines.push_str(&printable::json(&event.data));
            } else {
                line::append(&change, lines);
            }
            lines.push('\n');
        }
        if let Some(id) = &event.id {
            let number = id.parse().map_err(|_| self.strange("an event's id is no number".to_owned()))?;
            self.position = Some(number);
        }
        Ok(())
    }

    fn strange(&self, problem: String) -> Error {
        self.client.strange(problem).into()
    }
}

/// Writes to standard output, outside of the async threads: a reader that pauses must not block Ctrl-C.
async fn write(text: String) -> Result<bool, Error> {
    if text.is_empty() {
        return Ok(true);
    }
    let written = tokio::task::spawn_blocking(move || output::write(text.as_bytes()));
    written.await.unwrap_or_else(|error| Err(std::io::Error::other(error))).map_err(Error::Output)
}

#[cfg(test)]
mod tests;
