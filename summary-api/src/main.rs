//! The program `summary-api`: the summary API in a process of its own.

use std::process::ExitCode;

use build_identity::BUILD;
use settings::{
    ACCESS, ANSWER_CACHE, DATA_DIR, DATABASE_URL, HOLD, INTERNAL_TOKEN, LISTEN, LOTS, MAX_STAY, OF_SERVICES,
    RE_READ_WINDOW, Setting, TOKENS_FILE, UNREAD_PLATES, WEBHOOK_PRIVATE_ADDRESSES,
};

const EXAMPLES: &str = "\
Examples:
  summary-api
  summary-api --database-url postgres://dwell:dwell@127.0.0.1:5432/dwell --lots lots.toml
  summary-api --listen 0.0.0.0:5000 --tokens-file tokens.toml       (dwell token create makes the file)
  summary-api healthcheck";

/// The settings that it reads besides those of all services.
const OWN: &[&Setting] = &[
    &ACCESS,
    &TOKENS_FILE,
    &INTERNAL_TOKEN,
    &DATABASE_URL,
    &ANSWER_CACHE,
    &WEBHOOK_PRIVATE_ADDRESSES,
    &DATA_DIR,
    &LOTS,
    &HOLD,
    &RE_READ_WINDOW,
    &MAX_STAY,
    &UNREAD_PLATES,
];

fn main() -> ExitCode {
    let about = "The ledger of parking sessions, and the HTTP API that records and reads them";
    // Below this width, the longest flag would put the help of each setting on a line of its own.
    let command = settings::command("summary-api", about).before_help(EXAMPLES).term_width(130);
    let command = settings::with_default(command, &LISTEN, "127.0.0.1:5000");
    let command = settings::reading(command, &[OF_SERVICES, OWN]);
    service_kit::run_service(command, BUILD, |_, settings, context| async move {
        Ok(summary_api::run(settings, context).await?)
    })
}
