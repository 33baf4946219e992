//! The binary `dwell`: without a subcommand the whole pipeline, else one of the commands.

use std::process::ExitCode;

use clap::ArgMatches;
use dwell::{dlq, export, pipeline, publish, replay};
use service_kit::{Role, ServiceContext, Settings, config};

const EXAMPLES: &str = "\
Examples:
  dwell                                          the whole pipeline in this process, nothing installed
  dwell replay events.ndjson.gz --sessions out.csv   correlate a file offline
  dwell publish events.ndjson --amqp-url amqp://guest:guest@127.0.0.1:5672
  dwell export --api http://127.0.0.1:5000 --sessions out.csv --settled
";

fn main() -> ExitCode {
    let command = config::command("dwell", "Which exit belongs to which entry: parking sessions from gate events")
        .before_help(EXAMPLES)
        .subcommands([replay::command(), publish::command(), export::command(), dlq::command()]);
    service_kit::run_program(config::with_default(command, &config::LISTEN, "127.0.0.1:5000"), role, start)
}

fn role(matches: &ArgMatches) -> Role {
    if matches.subcommand_name().is_some() { Role::command() } else { Role::service() }
}

async fn start(matches: ArgMatches, settings: Settings, context: ServiceContext) -> anyhow::Result<()> {
    match matches.subcommand() {
        Some(("replay", matches)) => replay::run(matches, &settings, &context).await,
        Some(("publish", matches)) => publish::run(matches, &settings, &context).await,
        Some(("export", matches)) => export::run(matches, &settings, &context).await,
        Some(("dlq", matches)) => dlq::run(matches, &settings, &context).await,
        _ => pipeline::run(settings, context).await,
    }
}
