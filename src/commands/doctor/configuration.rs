//! Checks all settings as every service reads them, and reports every error, not only the first one.
//!
//! Reads files, but does not use the network.

use std::ffi::OsString;

use bus::BusConfig;
use clap::ArgMatches;
use gateway::gates::Gates;
use gateway::{grpc, mqtt};
use recorder::http::{HttpRecorder, Limits};
use service_kit::logs;
use settings::{
    ALL, CLIENT_CERT_FILE, CLIENT_KEY_FILE, CONFIG, Error, Setting, Settings, TLS_CERT_FILE, TLS_CLIENT_CA_FILE,
    TLS_KEY_FILE,
};
use simulator::Plan;

use super::finding::Finding;
use crate::commands::api_client;

/// A function that reads the settings of one part.
type Check = fn(&Settings) -> Result<(), Error>;

/// What to do about a file of settings that needs attention.
const OWN_FILE: &str = "make the file readable for the user of the services only: chown it, then chmod 600";

/// Settings of which each needs the others: if one is removed, the others would be reported because of it.
const TOGETHER: [&[&Setting]; 2] =
    [&[&TLS_CERT_FILE, &TLS_KEY_FILE, &TLS_CLIENT_CA_FILE], &[&CLIENT_CERT_FILE, &CLIENT_KEY_FILE]];

/// The settings of this run, as far as they can be used.
#[derive(Debug)]
pub(in crate::commands) struct Looked {
    /// The settings, with the default for an invalid value.
    pub(in crate::commands) settings: Settings,
    /// The settings with an invalid value.
    pub(in crate::commands) wrong: Vec<&'static Setting>,
    /// The findings about all given settings.
    pub(in crate::commands) findings: Vec<Finding>,
    /// The settings as given, with their secrets: never shown, only for finding the secrets in a text.
    pub(in crate::commands) given: Settings,
}

impl Looked {
    /// Whether the ports of a service with these settings have TLS, also if its files can't be used here.
    pub(in crate::commands) fn has_tls(&self) -> bool {
        tls::Listener::is_configured(&self.given)
    }
}

/// Reads all settings and checks each as the services do.
pub(in crate::commands) fn look(
    matches: &ArgMatches,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Looked {
    let (mut settings, unread) = Settings::read_all(matches, environment);
    let as_given = settings.clone();
    let given: Vec<(&Setting, Finding)> = ALL
        .iter()
        .filter(|setting| settings.is_given(setting))
        .map(|setting| (*setting, Finding::ok(settings.said_as(setting), value(&settings, setting))))
        .collect();
    let mut wrong: Vec<(Option<&'static Setting>, Finding)> =
        unread.iter().map(|error| (error.setting(), said(error))).collect();
    // A wrong value hides later ones, so it is removed and everything is read again.
    while let Some(error) = first_wrong(&settings) {
        wrong.push((error.setting(), said(&error)));
        let Some(setting) = error.setting().filter(|setting| settings.is_given(setting)) else { break };
        let together = TOGETHER.iter().copied().find(|group| group.contains(&setting)).unwrap_or_default();
        settings = together.iter().fold(settings.without(setting), |settings, other| settings.without(other));
    }
    let right = given.into_iter().filter(|(setting, _)| !wrong.iter().any(|(other, _)| *other == Some(*setting)));
    let mut findings: Vec<Finding> = right.map(|(_, finding)| finding).collect();
    findings.extend(closed(&settings));
    let readable = |warning: &String| Finding::ok(CONFIG.name, value(&settings, &CONFIG)).warns(warning, OWN_FILE);
    findings.extend(settings.warnings().iter().map(readable));
    let (settings_of_wrong, wrong): (Vec<_>, Vec<_>) = wrong.into_iter().unzip();
    findings.extend(wrong);
    Looked { settings, wrong: settings_of_wrong.into_iter().flatten().collect(), findings, given: as_given }
}

/// The value, redacted.
fn value(settings: &Settings, setting: &Setting) -> String {
    let effective = settings.effective();
    effective
        .values()
        .iter()
        .find(|(name, _)| *name == setting.name)
        .map(|(_, value)| value.clone())
        .unwrap_or_default()
}

/// The first value that one of the services refuses.
fn first_wrong(settings: &Settings) -> Option<Error> {
    let checks: [Check; 12] = [
        logs::check,
        |settings| settings.duration(&settings::DRAIN).map(drop),
        |settings| settings.url(&settings::OTLP_ENDPOINT, &["http", "https"]).map(drop),
        |settings| BusConfig::from_settings("dwell", settings).map(drop),
        |settings| summary_api::Config::read(settings).map(drop),
        |settings| correlator::Config::from_settings(settings).map(drop),
        recorder,
        // Both gate services read the same settings.
        |settings| Plan::from_settings(settings).map(drop),
        |settings| mqtt(settings).map(drop),
        |settings| grpc::address(settings).map(drop),
        |settings| tls::Listener::from_settings(settings).map(drop),
        |settings| tls::Connector::from_settings(settings).map(drop),
    ];
    checks.iter().find_map(|check| check(settings).err())
}

/// The gates and filters of the lots file, and the MQTT broker that has messages of some gates.
pub(super) fn mqtt(settings: &Settings) -> Result<Option<mqtt::Config>, Error> {
    mqtt::Config::from_settings(settings, &Gates::from_settings(settings)?)
}

/// The settings by which a correlator reaches a summary API elsewhere.
fn recorder(settings: &Settings) -> Result<(), Error> {
    let Some(url) = settings.url(&settings::SUMMARY_API_URL, &["http", "https"])? else { return Ok(()) };
    HttpRecorder::new(
        &url,
        api_client::token_of_correlators(settings)?.as_ref(),
        Limits::default(),
        &tls::Connector::from_settings(settings)?,
    )
    .map(drop)
    .map_err(|error| settings.wrong(&settings::SUMMARY_API_URL, error.to_string()))
}

/// The settings of a summary API that other machines reach, without a correlator.
fn closed(settings: &Settings) -> Option<Finding> {
    let config = summary_api::Config::read(settings).ok()?;
    config.is_closed().then(|| {
        Finding::ok(settings::INTERNAL_TOKEN.name, "not set").warns(
            format!(
                "{} is reachable from other machines, so without a shared secret /internal/v1 is closed to correlators in \
                 other processes",
                config.listen
            ),
            "set the same secret for the summary API and its correlators: export DWELL_INTERNAL_TOKEN=$(openssl rand -hex 24)",
        )
    })
}

fn said(error: &Error) -> Finding {
    let name = error.setting().map_or_else(|| "settings".to_owned(), |setting| setting.name.to_owned());
    match error {
        Error::Wrong { name, value, reason, allowed } => {
            let seen = Finding::ok(name, value);
            Finding { allowed: Some((*allowed).to_owned()), ..seen.is_wrong(reason, fix(error, name, value, reason)) }
        }
        Error::UnknownName { name, file, suggestion } => {
            let remove = match file {
                Some(file) => format!("remove it from {file}"),
                None => format!("take it away: unset {name}"),
            };
            Finding::ok(name, "(value not shown)").is_wrong(
                "no setting has this name",
                match suggestion {
                    Some(known) => format!("did you mean {known}? Rename it, or {remove}"),
                    None => format!("{remove}; all settings: dwell --help"),
                },
            )
        }
        Error::NotUnicode { .. } => {
            Finding::ok(&name, "(not shown)").is_wrong("its value is not valid UTF-8", format!("set {name} again"))
        }
        Error::Missing { flag, help, allowed, .. } => Finding::ok(&name, "not set")
            .is_wrong(format!("it is needed: {help}"), format!("set {name} or --{flag} to {allowed}")),
        Error::Refused(text) => Finding::ok(&name, "").is_wrong(text, "do as the cause says"),
    }
}

fn fix(error: &Error, name: &str, value: &str, reason: &str) -> String {
    let setting = error.setting();
    if reason.contains("time_zone \"") {
        return format!(
            "in {value}, write a zone of the IANA data base, for instance time_zone = \"Europe/Berlin\"; all of them: \
             timedatectl list-timezones"
        );
    }
    if setting == Some(&settings::LOTS) {
        return format!("fix {value}, or name another file with {name}; deploy/lots.example.toml shows how one looks");
    }
    let or_else = match setting.and_then(|setting| setting.default) {
        Some(default) => format!(", or take it away: the default is {default}"),
        None => String::new(),
    };
    format!("set {name} to what is allowed{or_else}")
}

#[cfg(test)]
mod tests {
    use settings::command;

    use super::super::finding::{Verdict, exit_code};
    use super::*;

    fn looked(variables: &[(&str, &str)]) -> Vec<Finding> {
        let matches = command("dwell", "").get_matches_from(["dwell"]);
        look(&matches, variables.iter().map(|(name, value)| (name.into(), value.into()))).findings
    }

    #[test]
    fn everything_that_is_wrong_is_found_and_not_only_the_first() {
        let found = looked(&[
            ("DWELL_AMQP_URL", "ampqs://dwell:hidden@broker"),
            ("DWELL_HOLD", "soon"),
            ("DWELL_LOG", "loud,"),
            ("DWELL_MAX_STAI", "3d"),
            ("DWELL_SEED", "7"),
            ("DWELL_REDIS_URL", "redisss://:hidden@cache"),
        ]);

        let wrong: Vec<&str> =
            found.iter().filter(|one| one.verdict == Verdict::Wrong).map(|one| one.subject.as_str()).collect();
        assert_eq!(wrong, ["DWELL_MAX_STAI", "DWELL_LOG", "DWELL_AMQP_URL", "DWELL_HOLD", "DWELL_REDIS_URL"]);
        assert_eq!(found.first(), Some(&Finding::ok("DWELL_SEED", "7")));
        assert!(found.iter().skip(1).all(|one| one.cause.is_some() && one.fix.is_some()));
        let shown = format!("{found:?}");
        assert!(!shown.contains("hidden") && shown.contains("or rediss:// for TLS"), "{shown}");
        assert!(shown.contains("did you mean DWELL_MAX_STAY?"), "{shown}");
        assert_eq!(exit_code(&found), 78);
    }

    #[test]
    fn a_file_of_tls_that_is_wrong_is_reported_once_and_the_ports_still_count_as_those_with_tls() {
        let folder = tempfile::tempdir().unwrap();
        let authority = testbed::Authority::new("of a test").unwrap();
        let (certificate, key) = authority.server(testbed::Flaw::None).unwrap().write(folder.path()).unwrap();
        let path = |path: &std::path::Path| path.to_str().unwrap().to_owned();
        for (wrong, right) in [
            ("DWELL_TLS_CERT_FILE", ("DWELL_TLS_KEY_FILE", path(&key))),
            ("DWELL_TLS_KEY_FILE", ("DWELL_TLS_CERT_FILE", path(&certificate))),
            ("DWELL_CLIENT_CERT_FILE", ("DWELL_CLIENT_KEY_FILE", path(&key))),
            ("DWELL_CLIENT_KEY_FILE", ("DWELL_CLIENT_CERT_FILE", path(&certificate))),
        ] {
            let matches = command("dwell", "").get_matches_from(["dwell"]);
            let given = [(wrong, "/nowhere/file.pem".to_owned()), right];
            let looked = look(&matches, given.map(|(name, value)| (name.into(), value.into())));

            let found: Vec<&str> = looked
                .findings
                .iter()
                .filter(|one| one.verdict == Verdict::Wrong)
                .map(|one| one.subject.as_str())
                .collect();
            assert_eq!(found, [wrong]);
            assert_eq!(looked.has_tls(), wrong.starts_with("DWELL_TLS"));
        }
    }

    #[test]
    fn a_flag_is_named_as_a_flag() {
        let matches = command("dwell", "").get_matches_from(["dwell", "--seed", "7", "--hold", "soon"]);

        let found = look(&matches, []).findings;

        let names: Vec<&str> = found.iter().map(|one| one.subject.as_str()).collect();
        assert_eq!(names, ["--seed", "--hold"]);
    }

    #[test]
    fn settings_that_are_right_are_shown_without_their_secrets() {
        let found = looked(&[("DWELL_INTERNAL_TOKEN", "0123456789abcdef"), ("DWELL_AMQP_URL", "amqp://u:hidden@h")]);

        let expected = [Finding::ok("DWELL_AMQP_URL", "amqp://u:***@h"), Finding::ok("DWELL_INTERNAL_TOKEN", "***")];
        assert_eq!(found, expected);
        assert_eq!((exit_code(&found), exit_code(&[])), (0, 0));
    }

    #[test]
    fn an_unknown_time_zone_of_a_lot_says_how_one_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("lots.toml");
        std::fs::write(&file, "[[lot]]\nid = \"P3\"\nkind = \"mall\"\ntime_zone = \"Berlin\"\n").unwrap();

        let found = looked(&[("DWELL_LOTS", file.to_str().unwrap())]);

        let [Finding { cause: Some(cause), fix: Some(fix), allowed: Some(allowed), .. }] = found.as_slice() else {
            panic!("{found:?}")
        };
        assert!(
            cause.contains("line 4: lot P3: time_zone \"Berlin\"") && fix.contains("Europe/Berlin"),
            "{cause} {fix}"
        );
        assert!(allowed.starts_with("a [[lot]] for each car park"), "{allowed}");
    }

    #[test]
    fn an_unknown_field_of_a_lot_is_no_matter_of_its_time_zone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("lots.toml");
        std::fs::write(&file, "[[lot]]\nid = \"P3\"\ncapasity = 4\n").unwrap();

        let found = looked(&[("DWELL_LOTS", file.to_str().unwrap())]);

        let [Finding { cause: Some(cause), fix: Some(fix), .. }] = found.as_slice() else { panic!("{found:?}") };
        assert!(cause.contains("unknown field `capasity`") && fix.contains("shows how one looks"), "{cause} {fix}");
    }

    #[test]
    fn a_gate_that_no_gateway_takes_is_named_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("lots.toml");
        let lot = "[[lot]]\nid = \"P3\"\nkind = \"mall\"\n\n";
        let gate = "[[gates]]\nid = \"in-1\"\nlot = \"P3\"\ndirection = \"entry\"\nformat = \"axes\"\n";
        std::fs::write(&file, format!("{lot}{gate}")).unwrap();

        let found = looked(&[("DWELL_LOTS", file.to_str().unwrap())]);

        let [Finding { verdict: Verdict::Wrong, cause: Some(cause), .. }] = found.as_slice() else {
            panic!("{found:?}")
        };
        assert!(cause.contains("line 5: gate in-1: format \"axes\" is not known"), "{cause}");
    }

    #[test]
    fn a_summary_api_that_no_correlator_can_use_is_warned_of() {
        let found = looked(&[("DWELL_LISTEN", "0.0.0.0:5000"), ("DWELL_ACCESS", "open")]);

        let verdicts: Vec<_> = found.iter().map(|one| one.verdict).collect();
        assert_eq!(verdicts, [Verdict::Ok, Verdict::Ok, Verdict::Warning]);
        assert_eq!(exit_code(&found), 0);
    }
}
