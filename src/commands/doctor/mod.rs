//! `dwell validate` and `dwell doctor`: check the settings and every server in them, and report each problem with its
//! cause and fix.
//!
//! Neither starts a service nor changes anything; `validate` does not use the network. They accept settings with
//! which no service would start, so they do not use the services' frame. Each dependency has a file here; `finding`
//! is the result as data, `print` its format, `examine` chooses the checks.
//!
//! Prometheus is not checked: it connects to us, and no setting has its address.

mod address;
mod certificate;
mod clock;
mod configuration;
mod correlators;
mod examine;
pub mod finding;
mod ledger;
mod machine;
mod mqtt;
mod own_clock;
mod print;
mod rabbitmq;
mod redis;
mod summary_api;
mod tokens;

use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, Command};

pub(super) use self::configuration::{Looked, look};
use self::finding::{Finding, Verdict, exit_code};
pub(super) use self::print::{table, text as findings_as_text};
use crate::terminal::output;

const VALIDATE: &str = "validate";
const DOCTOR: &str = "doctor";
const JSON: &str = "json";
const PRINT: &str = "print";
const TIMEOUT: &str = "timeout";

const VALIDATE_EXAMPLES: &str = "\
Examples:
  dwell validate
  dwell validate --lots deploy/lots.example.toml
  dwell validate --print --config dwell.toml
  dwell validate --json | jq '.findings[] | select(.verdict == \"wrong\")'";

const VALIDATE_AFTER: &str = "\
All that is given by flags, by the environment and by the file of DWELL_CONFIG is read as each service reads it, the file of
lots too. No network is touched. --print shows every setting with its effective value and where it comes from. All settings and their flags: dwell --help.

Exit codes: 0 every service would start with these settings; 2 unknown flag; 78 one or more are wrong.";

const DOCTOR_EXAMPLES: &str = "\
Examples:
  dwell doctor
  dwell doctor --amqp-url amqp://guest:guest@127.0.0.1:5672 --redis-url redis://127.0.0.1:6379/0
  dwell doctor --timeout 2s --json | jq '.findings[] | {subject, cause, fix}'";

const DOCTOR_AFTER: &str = "\
Looks at the settings, the port and its certificate, the data folder and its disk, and at each server that the settings name: RabbitMQ and its
queues, an MQTT broker, Redis, the ledger, a summary API of another process, a collector of traces; and at their clocks, also
whether a running service suspects its own. Nothing is changed: no queue and no table is made (Redis gets one key for a
second). When a setting is wrong, the checks that need it are skipped. All settings and their flags: dwell --help.

Exit codes: 0 all is well, warnings allowed; 1 something failed; 2 unknown flag; 78 a setting is wrong.";

/// The two command lines.
pub fn commands() -> [Command; 2] {
    let json = || Arg::new(JSON).long(JSON).action(ArgAction::SetTrue).help("Write one JSON object");
    let timeout = Arg::new(TIMEOUT)
        .long(TIMEOUT)
        .value_name("DURATION")
        .default_value("5s")
        .value_parser(timeout)
        .help("How long each check may take, 100ms to 10m");
    [
        Command::new(VALIDATE)
            .about("Check all settings and the file of lots, without touching the network")
            .before_help(VALIDATE_EXAMPLES)
            .after_help(VALIDATE_AFTER)
            .arg(
                Arg::new(PRINT)
                    .long(PRINT)
                    .action(ArgAction::SetTrue)
                    .help("Show every effective value with its origin"),
            )
            .arg(json()),
        Command::new(DOCTOR)
            .about("Check the settings and each server that they name; report cause and fix of each problem")
            .before_help(DOCTOR_EXAMPLES)
            .after_help(DOCTOR_AFTER)
            .args([timeout, json()]),
    ]
    // It reads all settings, whose flags would hide the rest of the help.
    .map(|command| settings::reading(command, &[]))
}

pub(super) fn timeout(text: &str) -> Result<Duration, String> {
    let allowed = Duration::from_millis(100)..=Duration::from_mins(10);
    match humantime::parse_duration(text) {
        Ok(timeout) if allowed.contains(&timeout) => Ok(timeout),
        _ => Err("it is not a duration from 100ms to 10m, such as 5s".to_owned()),
    }
}

/// Runs one of the two commands, if one is given, and returns the exit code.
pub fn run_if_asked(matches: &ArgMatches) -> Option<ExitCode> {
    let (name, own) = matches.subcommand().filter(|(name, _)| [VALIDATE, DOCTOR].contains(name))?;
    let looked = look(matches, std::env::vars_os());
    let rows = (name == VALIDATE && own.get_flag(PRINT)).then(|| looked.settings.rows());
    let findings = if name == DOCTOR {
        let timeout = own.get_one::<Duration>(TIMEOUT).copied().unwrap_or_default();
        match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
            Ok(runtime) => {
                let findings = runtime.block_on(diagnosis(&looked, timeout));
                // Connections that are still being opened are dropped.
                runtime.shutdown_background();
                findings
            }
            Err(error) => vec![Finding::ok("process", "").fails(error.to_string(), "allow it more threads")],
        }
    } else if looked.findings.is_empty() {
        summed_up(Vec::new())
    } else {
        looked.findings
    };
    let is_coloured = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let written = if own.get_flag(JSON) {
        output::print_json(&print::json(&findings, rows.as_deref()))
    } else {
        let table = rows.map(|rows| table(&rows)).unwrap_or_default();
        output::write((table + &findings_as_text(&findings, is_coloured)).as_bytes())
    };
    let is_written = written.is_ok();
    Some(if is_written { ExitCode::from(exit_code(&findings)) } else { ExitCode::FAILURE })
}

/// All findings about the settings and about what they name.
pub(super) async fn diagnosis(looked: &Looked, timeout: Duration) -> Vec<Finding> {
    let mut findings = summed_up(looked.findings.clone());
    findings.extend(examine::examine(looked, timeout).await);
    findings
}

/// Valid settings get no line each.
fn summed_up(findings: Vec<Finding>) -> Vec<Finding> {
    let (right, rest): (Vec<_>, Vec<_>) = findings.into_iter().partition(|finding| finding.verdict == Verdict::Ok);
    let names: Vec<String> = right.into_iter().map(|finding| finding.subject).collect();
    let given = if names.is_empty() {
        format!("all {} by default", settings::ALL.len())
    } else {
        format!("given: {}", names.join(", "))
    };
    std::iter::once(Finding::ok("settings", given)).chain(rest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_lines_are_sound() {
        for command in commands() {
            command.debug_assert();
        }
    }

    #[test]
    fn a_timeout_is_neither_nothing_nor_for_ever() {
        assert_eq!(timeout("2s"), Ok(Duration::from_secs(2)));
        for wrong in ["0s", "1h", "soon"] {
            assert!(timeout(wrong).is_err(), "{wrong}");
        }
    }
}
