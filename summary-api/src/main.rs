//! The summary API alone, in a process of its own.

use std::process::ExitCode;

use service_kit::config;

fn main() -> ExitCode {
    let about = "The ledger of parking sessions, and the HTTP API that records and answers";
    let command = config::with_default(config::command("summary-api", about), &config::LISTEN, "127.0.0.1:5000");
    service_kit::run_service(
        command,
        |_, settings, context| async move { Ok(summary_api::run(settings, context).await?) },
    )
}
