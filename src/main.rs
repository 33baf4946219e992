//! The binary `dwell`: without a subcommand the whole pipeline, else one of the commands.

use std::process::ExitCode;

use build_identity::BUILD;
use clap::{ArgMatches, Command};
use dwell::commands::{
    backup, completions, dlq, doctor, explain, export, gate, publish, replay, restore, score, simulate, support_bundle,
    tail, token, user, verify, webhook,
};
use dwell::pipeline;
use dwell::terminal::output;
use service_kit::{Role, ServiceContext};
use settings::Settings;

const PROGRAM: &str = "dwell";
const EXAMPLES: &str = "\
Examples:
  dwell                                          the whole pipeline in this process, nothing installed
  dwell replay events.ndjson.gz --sessions out.csv   correlate a file offline
  dwell simulate --events events.ndjson --truth truth.csv    traffic with misread plates; dwell score judges sessions
  dwell publish events.ndjson --amqp-url amqp://guest:guest@127.0.0.1:5672
  dwell export --api http://127.0.0.1:5000 --sessions out.csv --settled
  dwell explain ea90a8f0-d66b-429e-aa8a-c4ba05805975     why did this exit not match?
  dwell tail                                     each change as it is recorded
  dwell gate test P3-in-1 message.json           how is this message of a camera read?
  dwell verify                                   is every event accounted for, exactly once?
  dwell backup ledger-backup.sqlite              a verified copy of the ledger, while it runs
  dwell token create page --scopes read,read_plate    which programs may use the summary API?
  dwell user add maria --scopes read,read_plate  who may sign in on the page?
  dwell webhook create billing https://billing.example/dwell    who gets each session?
  dwell doctor                                   what is wrong here, and what to do? (dwell validate: settings only)
";

fn main() -> ExitCode {
    let matches = match service_kit::parsed(cli(), BUILD) {
        Ok(matches) => matches,
        Err(code) => return code,
    };
    doctor::run_if_asked(&matches)
        .or_else(|| support_bundle::run_if_asked(&matches))
        .unwrap_or_else(|| service_kit::run_program(PROGRAM, role(&matches), matches, start))
}

fn cli() -> Command {
    let command = settings::command(PROGRAM, "Which exit belongs to which entry: parking sessions from gate events")
        .before_help(EXAMPLES)
        .subcommands([
            replay::command(),
            publish::command(),
            export::command(),
            explain::command(),
            tail::command(),
            verify::command(),
            backup::command(),
            restore::command(),
            dlq::command(),
            gate::command(),
            simulate::command(),
            score::command(),
            token::command(),
            user::command(),
            webhook::command(),
            completions::command(),
            support_bundle::command(),
        ])
        .subcommands(doctor::commands());
    settings::with_default(command, &settings::LISTEN, "127.0.0.1:5000")
}

fn role(matches: &ArgMatches) -> Role {
    if matches.subcommand_name().is_some() { Role::command() } else { Role::service() }
}

async fn start(matches: ArgMatches, settings: Settings, context: ServiceContext) -> anyhow::Result<()> {
    let ended = match matches.subcommand() {
        Some(("replay", matches)) => replay::run(matches, &settings, &context).await,
        Some(("publish", matches)) => publish::run(matches, &settings, &context).await,
        Some(("export", matches)) => export::run(matches, &settings, &context).await,
        Some(("explain", matches)) => explain::run(matches, &settings, &context).await,
        Some(("tail", matches)) => tail::run(matches, &settings, &context).await,
        Some(("verify", matches)) => verify::run(matches, &settings, &context).await,
        Some(("backup", matches)) => backup::run(matches, &settings, &context).await,
        Some(("restore", matches)) => restore::run(matches, &settings, &context).await,
        Some(("token", matches)) => token::run(matches, &settings, &context).await,
        Some(("user", matches)) => user::run(matches, &settings, &context).await,
        Some(("webhook", matches)) => webhook::run(matches, &settings, &context).await,
        Some(("completions", matches)) => Ok(completions::run(matches, cli())?),
        Some(("gate", matches)) => gate::run(matches, &settings, &context).await,
        Some(("simulate", matches)) => simulate::run(matches, &settings, &context).await,
        Some(("score", matches)) => Ok(score::run(matches)?),
        Some(("dlq", matches)) => dlq::run(matches, &settings, &context).await,
        _ => pipeline::run(settings, context).await,
    };
    output::ended(ended)
}
