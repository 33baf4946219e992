//! The help of every service and command stays short: examples first, the settings that it reads, exit codes last.

use std::collections::BTreeSet;
use std::process::Command;

use settings::ALL;

/// What a person scrolls through at most; the whole pipeline reads every setting and has more.
const LINES_MAX: usize = 60;
/// Each command, a setting that it reads, if it shows any, and one that it does not.
const COMMANDS: [(&str, &[&str], &str, &str); 44] = [
    ("dwell", &["replay"], "--max-stay", "--amqp-url"),
    ("dwell", &["publish"], "--amqp-url", "--hold"),
    ("dwell", &["export"], "--summary-api-url", "--hold"),
    ("dwell", &["explain"], "--summary-api-url", "--hold"),
    ("dwell", &["tail"], "--summary-api-url", "--hold"),
    ("dwell", &["verify"], "--database-url", "--hold"),
    ("dwell", &["backup"], "--database-url", "--hold"),
    ("dwell", &["restore"], "--data-dir", "--hold"),
    ("dwell", &["dlq"], "--queue-dead", "--hold"),
    ("dwell", &["dlq", "list"], "--queue-dead", "--hold"),
    ("dwell", &["dlq", "requeue"], "--queue-dead", "--hold"),
    ("dwell", &["gate"], "--lots", "--hold"),
    ("dwell", &["gate", "test"], "--content-type", "--hold"),
    ("dwell", &["gate", "listen"], "--address", "--hold"),
    ("dwell", &["simulate"], "--lost-exit-share", "--stranger-share"),
    ("dwell", &["score"], "--mistakes", "--stranger-share"),
    ("dwell", &["token"], "--tokens-file", "--hold"),
    ("dwell", &["token", "create"], "--scopes", "--hold"),
    ("dwell", &["token", "list"], "--tokens-file", "--hold"),
    ("dwell", &["token", "revoke"], "--tokens-file", "--hold"),
    ("dwell", &["user"], "", "--hold"),
    ("dwell", &["user", "add"], "--password-file", "--hold"),
    ("dwell", &["user", "list"], "--database-url", "--hold"),
    ("dwell", &["user", "password"], "--password-file", "--hold"),
    ("dwell", &["user", "remove"], "--data-dir", "--hold"),
    ("dwell", &["webhook"], "", "--hold"),
    ("dwell", &["webhook", "create"], "--webhook-private-addresses", "--hold"),
    ("dwell", &["webhook", "list"], "--database-url", "--hold"),
    ("dwell", &["webhook", "remove"], "--data-dir", "--hold"),
    ("dwell", &["webhook", "pause"], "--reason", "--hold"),
    ("dwell", &["webhook", "resume"], "--data-dir", "--hold"),
    ("dwell", &["webhook", "replay"], "--after", "--hold"),
    ("dwell", &["webhook", "rotate"], "--data-dir", "--hold"),
    ("dwell", &["webhook", "test"], "--webhook-private-addresses", "--hold"),
    ("dwell", &["completions"], "", "--stranger-share"),
    ("dwell", &["validate"], "", "--stranger-share"),
    ("dwell", &["doctor"], "", "--stranger-share"),
    ("dwell", &["support-bundle"], "--log-file", "--stranger-share"),
    ("dwell", &["healthcheck"], "--listen", "--stranger-share"),
    ("correlator", &[], "--redis-url", "--stranger-share"),
    ("summary-api", &[], "--database-url", "--stranger-share"),
    ("entry-service", &[], "--stranger-share", "--redis-url"),
    ("exit-service", &[], "--stranger-share", "--redis-url"),
    ("gateway", &[], "--metrics-listen", "--stranger-share"),
];

/// The short help of a program or of one of its commands.
fn help_of(program: &str, words: &[&str]) -> String {
    let ran = Command::new(testbed::binary(program).unwrap()).args(words).arg("-h").output().unwrap();
    String::from_utf8(ran.stdout).unwrap()
}

#[test]
fn each_shell_gets_a_script_that_completes_every_command() {
    let commands: BTreeSet<&str> = COMMANDS.iter().filter_map(|(_, words, ..)| words.first().copied()).collect();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let ran = Command::new(env!("CARGO_BIN_EXE_dwell")).args(["completions", shell]).output().unwrap();
        let script = String::from_utf8(ran.stdout).unwrap();
        assert_eq!(ran.status.code(), Some(0), "{shell}");
        let missing: Vec<_> = commands.iter().filter(|command| !script.contains(*command)).collect();
        assert!(missing.is_empty() && script.contains("sessions"), "{shell} does not complete {missing:?}: {script}");
    }
}

#[test]
fn every_program_reports_its_version_commit_and_build_time() {
    let programs: BTreeSet<&str> = COMMANDS.iter().map(|(program, ..)| *program).collect();
    for program in programs {
        let ran = Command::new(testbed::binary(program).unwrap()).arg("--version").output().unwrap();
        let expected = format!("{program} {}\n", build_identity::BUILD);
        assert_eq!(String::from_utf8(ran.stdout).unwrap(), expected);
        assert!(expected.contains("(commit ") && expected.contains(", built "), "{expected}");
    }
}

#[test]
fn every_setting_is_in_the_help_of_a_service_or_command_that_reads_it() {
    let services = ["entry-service", "exit-service", "gateway", "correlator", "summary-api"];
    // Services do not match misreads.
    let help = services.map(|service| help_of(service, &[])).concat() + &help_of("dwell", &["replay"]);

    let missing: Vec<_> = ALL.iter().filter(|setting| !help.contains(&format!("--{} ", setting.flag()))).collect();

    assert_eq!(missing, Vec::<&&_>::new());
}

#[test]
fn help_begins_with_examples_shows_what_is_read_and_ends_with_exit_codes() {
    for (program, words, read, unread) in COMMANDS {
        let help = help_of(program, words);
        let begin = format!("{program} {}", words.join(" "));
        let example = help.strip_prefix("Examples:\n").and_then(|rest| rest.lines().next());
        assert!(example.is_some_and(|example| example.contains(begin.trim_end())), "{begin}: {help}");
        assert!(help.contains(read) && !help.contains(unread), "{begin}: {help}");
        assert!(help.rsplit("\n\n").next().unwrap().contains("Exit codes: "), "{begin}: {help}");
        assert!(help.lines().count() <= LINES_MAX, "{begin}: {help}");
    }
}
