//! `dwell validate` and `dwell doctor`: check the settings and every server in them, and report each problem with its
//! cause and fix.
//!
//! Neither starts a service nor changes anything; `validate` does not use the network. They accept settings with
//! which no service would start, so they do not use the services' frame. Each dependency has a file here; `finding`
//! is the result as data, `print` its format.
//!
//! Prometheus is not checked: it connects to us, and no setting has its address.

mod address;
mod clock;
mod configuration;
mod correlators;
pub mod finding;
mod ledger;
mod machine;
mod own_clock;
mod print;
mod rabbitmq;
mod redis;
mod summary_api;

use std::io::IsTerminal as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use ::summary_api::Config;
use bus::BusConfig;
use clap::{Arg, ArgAction, ArgMatches, Command};
use futures::future::{BoxFuture, FutureExt as _, join_all};
use settings::{AMQP_URL, DATA_DIR, INTERNAL_TOKEN, OTLP_ENDPOINT, REDIS_URL, SUMMARY_API_URL, Settings, redact};

use self::finding::{Finding, Verdict, exit_code};
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
Looks at the settings, the port, the data folder and its disk, and at each server that the settings name: RabbitMQ and its
queues, Redis, the ledger, a summary API of another process, a collector of traces; and at their clocks, also whether a
running service suspects its own. Nothing is changed: no queue and no table is made (Redis gets one key for a second). When
a setting is wrong, nothing else is looked at. All settings and their flags: dwell --help.

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

fn timeout(text: &str) -> Result<Duration, String> {
    let allowed = Duration::from_millis(100)..=Duration::from_mins(10);
    match humantime::parse_duration(text) {
        Ok(timeout) if allowed.contains(&timeout) => Ok(timeout),
        _ => Err("it is not a duration from 100ms to 10m, such as 5s".to_owned()),
    }
}

/// Runs one of the two commands, if one is given, and returns the exit code.
pub fn run_if_asked(matches: &ArgMatches) -> Option<ExitCode> {
    let (name, own) = matches.subcommand().filter(|(name, _)| [VALIDATE, DOCTOR].contains(name))?;
    let (settings, mut findings) = configuration::look(matches, std::env::vars_os());
    let is_wrong = findings.iter().any(|finding| finding.verdict == Verdict::Wrong);
    if name == DOCTOR && !is_wrong {
        findings = summed_up(findings);
        let timeout = own.get_one::<Duration>(TIMEOUT).copied().unwrap_or_default();
        match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
            Ok(runtime) => {
                findings.extend(runtime.block_on(examine(&settings, timeout)));
                // Connections that are still being opened are dropped.
                runtime.shutdown_background();
            }
            Err(error) => findings.push(Finding::ok("process", "").fails(error.to_string(), "allow it more threads")),
        }
    }
    if findings.is_empty() {
        findings = summed_up(findings);
    }
    let is_coloured = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let rows = (name == VALIDATE && own.get_flag(PRINT)).then(|| settings.rows());
    let written = if own.get_flag(JSON) {
        output::print_json(&print::json(&findings, rows.as_deref()))
    } else {
        let table = rows.map(|rows| print::table(&rows)).unwrap_or_default();
        output::write((table + &print::text(&findings, is_coloured)).as_bytes())
    };
    let is_written = written.is_ok();
    Some(if is_written { ExitCode::from(exit_code(&findings)) } else { ExitCode::FAILURE })
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

/// Checks everything in the settings, concurrently.
async fn examine(settings: &Settings, timeout: Duration) -> Vec<Finding> {
    let parts = Config::read(settings).and_then(|api| Ok((api, BusConfig::from_settings("dwell", settings)?)));
    let (api, bus) = match parts {
        Ok(parts) => parts,
        Err(error) => return vec![Finding::ok("settings", "").is_wrong(error.to_string(), "dwell validate")],
    };
    let (port, is_running) = machine::port(&api.listen).await;
    let mut checks: Vec<BoxFuture<'_, Vec<Finding>>> = Vec::new();
    let is_embedded = bus.url.is_none() || api.embedded_ledger().is_some();
    if let Some(folder) = settings.text(&DATA_DIR).filter(|_| is_embedded) {
        checks.push(async move { machine::data_folder(Path::new(folder), is_running) }.boxed());
    }
    if let Some(url) = bus.url.clone() {
        let place = (rabbitmq::SUBJECT, url.to_string(), &AMQP_URL);
        checks.push(within(timeout, place, async move { rabbitmq::check(&url, &bus).await }.boxed()));
    }
    let of_timelines = settings.url(&REDIS_URL, &["redis"]).ok().flatten().map(|url| (url, &REDIS_URL));
    let of_answers = api.answer_redis().map(|url| (url.clone(), &settings::ANSWER_CACHE));
    for (url, setting) in of_timelines.into_iter().chain(of_answers) {
        let place = (redis::SUBJECT, url.to_string(), setting);
        checks.push(within(timeout, place, async move { redis::check(&url, setting, timeout).await }.boxed()));
    }
    if api.embedded_ledger().is_none_or(|file| file.exists()) {
        let (url, rules) = (api.database_url(), &api.rules);
        let place = (ledger::SUBJECT, url.to_string(), &settings::DATABASE_URL);
        checks.push(within(timeout, place, async move { ledger::check(&url, rules, is_running).await }.boxed()));
    }
    let summary_api_url = settings.url(&SUMMARY_API_URL, &["http"]).ok().flatten();
    let (here, place) = (format!("http://{}", api.listen.as_seen_from_here()), api.listen.to_string());
    // The check of a summary API includes its clock.
    let is_named = summary_api_url.as_ref().is_some_and(|url| url.expose().trim_end_matches('/') == here);
    if is_running && !is_named {
        checks.push(async move { own_clock::check(&format!("the service at {place}"), &here, timeout).await }.boxed());
    }
    if let Some(url) = summary_api_url {
        let token = settings.secret(&INTERNAL_TOKEN).ok().flatten();
        checks.push(async move { summary_api::check(&url, token.as_ref(), timeout).await }.boxed());
    }
    if let Some(url) = settings.text(&OTLP_ENDPOINT) {
        checks.push(collector(url, timeout).boxed());
    }
    std::iter::once(port).chain(join_all(checks).await.into_iter().flatten()).collect()
}

/// The result of the check, or that it timed out.
fn within<'a>(
    timeout: Duration,
    (subject, url, setting): (&'static str, String, &'static settings::Setting),
    check: BoxFuture<'a, Vec<Finding>>,
) -> BoxFuture<'a, Vec<Finding>> {
    async move {
        tokio::time::timeout(timeout, check).await.unwrap_or_else(|_| {
            let cause = format!("no answer within {}", humantime::format_duration(timeout));
            let fix = address::unreachable("it", &url, setting.name);
            vec![Finding::ok(subject, url).fails(cause, fix)]
        })
    }
    .boxed()
}

/// Checks whether the collector of spans is reachable. Without it only spans are lost.
async fn collector(url: &str, timeout: Duration) -> Vec<Finding> {
    let seen = Finding::ok("traces", redact(url));
    let place = address::host_and_port(url);
    let (host, port) = place.split_once(' ').unwrap_or(("", "0"));
    let connecting = tokio::net::TcpStream::connect((host, port.parse().unwrap_or(0)));
    let cause = match tokio::time::timeout(timeout, connecting).await {
        Ok(Ok(_)) => return vec![seen],
        Ok(Err(error)) => error.to_string(),
        Err(_) => "no answer in time".to_owned(),
    };
    let fix = address::unreachable("the collector", url, OTLP_ENDPOINT.name);
    vec![seen.warns(format!("the collector is unreachable, so spans are lost: {cause}"), fix)]
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
