//! `dwell explain`: why an event did or did not match, from a running summary API.
//!
//! Read-only. The summary API writes the text; `screen` formats it.

mod screen;

use api::ExplanationsView;
use clap::{Arg, ArgAction, ArgMatches, Command};
use parking::{LotId, Plate};
use serde_json::json;
use service_kit::ServiceContext;
use settings::Settings;
use tls::Connector;
use uuid::Uuid;

use crate::commands::api_client::{self, Client, Patience, address};
use crate::terminal::output;

const WHAT: &str = "what";
const LOT: &str = "lot";
const LIMIT: &str = "limit";
const JSON: &str = "json";

const EXAMPLES: &str = "\
Examples:
  dwell explain ea90a8f0-d66b-429e-aa8a-c4ba05805975
  dwell explain ABC-123 --lot P3
  dwell explain ABC-123 --api http://parking.example:5000 --json | jq '.explanations[].text'";

const AFTER: &str = "\
An event is named by its id, as the gate sent it. A plate, in any spelling, has its newest sessions explained, each by
its exit, or else its entry.

Exit codes: 0 explained; 1 the event or the plate is not known, or the summary API failed; 2 wrong arguments;
69 no summary API answers; 78 wrong settings.";

/// Why nothing could be explained.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting is wrong.
    #[error("nothing can be explained")]
    Config(#[from] settings::Error),
    /// The summary API gave no usable answer, or does not know the event.
    #[error("nothing is explained")]
    Api(#[from] api_client::Error),
    /// The plate has no sessions.
    #[error(
        "no session of this plate is known{}: look for the events themselves (dwell explain EVENT-ID) or among the dead \
         letters (dwell dlq list)",
        if *.in_lot { " in this lot" } else { "" }
    )]
    NoSession {
        /// Whether only one lot was searched.
        in_lot: bool,
    },
    /// The explanation can't be written.
    #[error("cannot write to standard output")]
    Output(#[source] std::io::Error),
    /// The stop came first.
    #[error("stopped before there was an answer")]
    Stopped,
}

/// The subject to explain.
#[derive(Debug, Clone)]
enum What {
    Event(Uuid),
    Plate(Plate),
}

/// The command line.
pub fn command() -> Command {
    let lot = |text: &str| LotId::parse(text).map_err(|problem| format!("it {problem}"));
    let command = Command::new("explain")
        .about("Show why an event, or the newest sessions of a plate, did or did not match")
        .before_help(EXAMPLES)
        .after_help(AFTER)
        .args([
            Arg::new(WHAT)
                .value_name("EVENT-ID|PLATE")
                .required(true)
                .value_parser(what)
                .help("The id of an event, or a plate in any spelling"),
            Arg::new(LOT).long(LOT).value_name("LOT").value_parser(lot).help("Of a plate: in this lot only"),
            Arg::new(LIMIT)
                .long(LIMIT)
                .value_name("N")
                .default_value("1")
                .value_parser(clap::value_parser!(u8).range(1..=20))
                .help("Of a plate: explain this many sessions, the newest first"),
            api_client::flag(),
            Arg::new(JSON).long(JSON).action(ArgAction::SetTrue).help("Write what the summary API answers, as JSON"),
        ]);
    api_client::reading(command)
}

fn what(text: &str) -> Result<What, String> {
    if let Ok(id) = Uuid::try_parse(text) {
        return Ok(What::Event(id));
    }
    let plate = Plate::named(text).map(What::Plate);
    plate.map_err(|problem| {
        format!("it is no event id such as ea90a8f0-d66b-429e-aa8a-c4ba05805975, and as a plate it {problem}")
    })
}

/// Runs the command.
///
/// # Errors
/// The event is unknown, or the summary API is unreachable.
pub async fn run(matches: &ArgMatches, settings: &Settings, context: &ServiceContext) -> anyhow::Result<()> {
    let explaining = Box::pin(explain(matches, settings));
    tokio::select! {
        done = explaining => Ok(done?),
        () = context.lifecycle.stopping() => Err(Error::Stopped.into()),
    }
}

async fn explain(matches: &ArgMatches, settings: &Settings) -> Result<(), Error> {
    let client = Client::new(&address(matches, settings)?, &Connector::from_settings(settings)?)?;
    let client = client.showing(api_client::token(settings)?);
    let lot = matches.get_one::<LotId>(LOT);
    let answer: ExplanationsView = match matches.get_one::<What>(WHAT).expect("the argument is required") {
        What::Plate(plate) => {
            let limit = matches.get_one::<u8>(LIMIT);
            let search = json!({"vehicle_plate": plate.as_str(), "limit": limit, "lot_id": lot.map(LotId::as_str)});
            client.post("api/v1/explanations/search", &search).await?
        }
        What::Event(id) => client.get(&format!("api/v1/events/{id}/explanation"), &[], Patience::None).await?,
    };
    if answer.explanations.is_empty() && answer.saved.is_empty() {
        return Err(Error::NoSession { in_lot: lot.is_some() });
    }
    let written = if matches.get_flag(JSON) {
        output::print_json(&as_json(&answer))
    } else {
        output::print(&screen::of_all(&answer))
    };
    written.map_err(Error::Output)?;
    Ok(())
}

fn as_json(answer: &ExplanationsView) -> String {
    let text = serde_json::to_string_pretty(answer).expect("texts and numbers are always JSON");
    text + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn an_event_id_and_a_plate_are_told_apart() {
        assert!(matches!(what("ea90a8f0-d66b-429e-aa8a-c4ba05805975"), Ok(What::Event(_))));
        assert!(matches!(what("abc-123"), Ok(What::Plate(plate)) if plate.as_str() == "ABC123"));
        let refused = what("ea90a8f0-d66b-429e-aa8a").unwrap_err();
        assert!(refused.contains("no event id such as") && refused.contains("more than 16 letters"), "{refused}");
    }
}
