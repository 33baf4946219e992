//! Claims about reading the configuration.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::time::Duration;

use super::*;

fn environment(variables: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))).collect()
}

fn read(flags: &[&str], variables: &[(&str, &str)]) -> Result<Settings, Error> {
    let arguments = std::iter::once("correlator").chain(flags.iter().copied());
    let command = with_default(command("correlator", "matches"), &LISTEN, "127.0.0.1:2112");
    Settings::read(&command.try_get_matches_from(arguments).unwrap(), environment(variables))
}

#[test]
fn every_name_has_the_prefix_and_stands_once_and_has_its_own_flag() {
    let mut names: Vec<_> = ALL.iter().map(|setting| setting.name).collect();
    assert!(names.iter().all(|name| name.starts_with(PREFIX)));
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), ALL.len());
    assert_eq!(AMQP_URL.flag(), "amqp-url");
    command("all", "flags").debug_assert();
}

#[test]
fn every_default_is_allowed() {
    let settings = read(&[], &[]).unwrap();
    for setting in [&HOLD, &DRAIN, &BACKFILL, &LATE_BY] {
        assert!(settings.duration(setting).is_ok(), "{}", setting.name);
    }
    for setting in [&DUPLICATE_SHARE, &LATE_SHARE, &LOST_ENTRY_SHARE, &LOST_EXIT_SHARE, &STRANGER_SHARE] {
        assert!(settings.share(setting).is_ok(), "{}", setting.name);
    }
    assert_eq!(settings.number(&PREFETCH, 1..=32_000u16), Ok(8000));
    assert_eq!(settings.number(&BATCH_EVENTS, 1..=10_000usize), Ok(4000));
    assert_eq!(settings.number(&BATCHES_IN_FLIGHT, 1..=64usize), Ok(4));
    assert_eq!(settings.number(&SEED, 0..=u64::MAX), Ok(1));
    assert_eq!(settings.number(&STAY_SCALE, 1.0..=100_000.0), Ok(60.0));
    assert_eq!(settings.number(&ARRIVALS, 0.0..=100_000.0), Ok(1.0));
    assert_eq!([&RE_READ_WINDOW, &MAX_STAY, &UNREAD_PLATES].map(|rule| settings.text(rule)), [None; 3]);
}

#[test]
fn flag_wins_over_environment_and_environment_over_default() {
    let settings = read(&["--hold", "5s"], &[("DWELL_HOLD", "7s"), ("DWELL_MAX_STAY", "2d")]).unwrap();

    let durations = [&HOLD, &MAX_STAY, &DRAIN].map(|setting| settings.duration(setting).unwrap().as_secs());
    assert_eq!(durations, [5, 2 * 86_400, 10]);
    assert!(settings.is_given(&HOLD) && settings.is_given(&MAX_STAY) && !settings.is_given(&DRAIN));
}

#[test]
fn flag_may_stand_after_the_subcommand() {
    let settings = read(&["healthcheck", "--listen", "[::1]:7"], &[("DWELL_LISTEN", "127.0.0.1:8")]).unwrap();
    assert_eq!(settings.listen(&LISTEN, 9), Ok(Listen { host: "::1".to_owned(), port: 7 }));
}

#[test]
fn service_may_have_a_default_of_its_own_that_the_environment_wins_over() {
    let own = read(&[], &[]).unwrap().listen(&LISTEN, 9);
    let told = read(&[], &[("DWELL_LISTEN", "0.0.0.0:8")]).unwrap().listen(&LISTEN, 9);
    let neither = Settings::from_variables([]).unwrap().listen(&LISTEN, 9);

    assert_eq!(own, Ok(Listen::loopback(2112)));
    assert_eq!(told, Ok(Listen { host: "0.0.0.0".to_owned(), port: 8 }));
    assert_eq!(neither, Ok(Listen::loopback(9)));
}

#[test]
fn unknown_name_is_refused_with_a_suggestion() {
    let error = read(&[], &[("DWELL_AMPQ_URL", "amqp://u:hidden@h")]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "unknown setting DWELL_AMPQ_URL; did you mean DWELL_AMQP_URL? --help lists all settings"
    );

    let far = read(&[], &[("DWELL_XYZZY_PLUGH", "1")]).unwrap_err();
    assert_eq!(far.to_string(), "unknown setting DWELL_XYZZY_PLUGH; --help lists all settings");
}

#[test]
fn names_without_the_prefix_are_not_ours() {
    assert!(read(&[], &[("PATH", "/bin"), ("dwell_hold", "x")]).is_ok());
}

#[test]
fn value_that_is_no_text_is_refused_by_name() {
    let matches = command("correlator", "matches").get_matches_from(["correlator"]);
    let strange = OsString::from_vec(vec![0x66, 0xff]);
    let error = Settings::read(&matches, [(OsString::from("DWELL_LOTS"), strange.clone())]).unwrap_err();
    assert_eq!(error.to_string(), "the value of DWELL_LOTS is not valid UTF-8");
    assert!(Settings::read(&matches, [(OsString::from("OTHER"), strange)]).is_ok());
}

#[test]
fn empty_value_counts_as_absent() {
    let flags = ["--redis-url", "", "--max-stay", "", "--drain", ""];
    let settings = read(&flags, &[("DWELL_AMQP_URL", ""), ("DWELL_HOLD", "")]).unwrap();
    assert_eq!(settings.text(&AMQP_URL), None);
    assert_eq!(settings.text(&REDIS_URL), None);
    assert_eq!(settings.duration(&HOLD), Ok(Duration::from_secs(30)));
    assert_eq!(settings.text(&MAX_STAY), None);
    assert_eq!(settings.duration(&DRAIN), Ok(Duration::from_secs(10)));
}

#[test]
fn missing_value_says_what_to_set() {
    let error = read(&[], &[]).unwrap().required_url(&AMQP_URL, &["amqp", "amqps"]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "DWELL_AMQP_URL is not set, and this service needs it (RabbitMQ, which carries the gate events): \
         set DWELL_AMQP_URL or --amqp-url to an AMQP URL such as amqp://user:password@host:5672/%2f, \
         or amqps:// for TLS"
    );
}

#[test]
fn wrong_value_is_named_as_it_was_given() {
    let by_flag = read(&["--hold", "soon"], &[]).unwrap().duration(&HOLD).unwrap_err();
    let by_environment = read(&[], &[("DWELL_STRANGER_SHARE", "1.5")]).unwrap().share(&STRANGER_SHARE).unwrap_err();
    let not_finite = read(&[], &[("DWELL_STRANGER_SHARE", "NaN")]).unwrap().share(&STRANGER_SHARE);

    assert!(by_flag.to_string().starts_with("--hold=soon: "), "{by_flag}");
    assert!(by_flag.to_string().ends_with("; allowed is a duration such as 250ms, 30s, 10m, 1h or 30d"), "{by_flag}");
    assert_eq!(
        by_environment.to_string(),
        "DWELL_STRANGER_SHARE=1.5: it is not within 0 to 1; allowed is a share from 0 to 1, for instance 0.2"
    );
    assert!(not_finite.is_err());
}

#[test]
fn a_slip_in_a_word_is_told_the_word_that_was_meant() {
    let settings = read(&[], &[("DWELL_QUEUE_TYPE", "quorm")]).unwrap();

    let refusal = settings.choice(&QUEUE_TYPE, &[("quorum", 1), ("classic", 2)]).unwrap_err().to_string();

    assert_eq!(
        refusal,
        "DWELL_QUEUE_TYPE=quorm: it is not one of the allowed words; did you mean quorum?; allowed is quorum or classic"
    );
}

#[test]
fn every_kind_of_wrong_value_is_refused() {
    let settings = read(
        &[],
        &[
            ("DWELL_PREFETCH", "many"),
            ("DWELL_BATCH_EVENTS", "0"),
            ("DWELL_QUEUE_TYPE", "stream"),
            ("DWELL_LISTEN", "5000"),
            ("DWELL_REDIS_URL", "http://127.0.0.1"),
            ("DWELL_INTERNAL_TOKEN", "short"),
        ],
    )
    .unwrap();
    assert!(settings.number(&PREFETCH, 1..=32_000u16).is_err());
    assert!(settings.number(&BATCH_EVENTS, 1..=10_000usize).is_err());
    assert!(settings.choice(&QUEUE_TYPE, &[("quorum", 1), ("classic", 2)]).is_err());
    assert!(settings.listen(&LISTEN, 1).is_err());
    assert!(settings.url(&REDIS_URL, &["redis", "rediss"]).is_err());
    assert!(settings.secret(&INTERNAL_TOKEN).is_err());
}

#[test]
fn secrets_are_masked_in_every_error_and_in_what_is_logged() {
    let settings = read(
        &["--internal-token", "hidden"],
        &[("DWELL_AMQP_URL", "amqp://guest:hidden@host:99999/"), ("DWELL_DATABASE_URL", "host=h password=hidden")],
    )
    .unwrap();

    let texts = [
        settings.url(&AMQP_URL, &["amqp"]).unwrap_err().to_string(),
        settings.url(&DATABASE_URL, &["postgres"]).unwrap_err().to_string(),
        settings.secret(&INTERNAL_TOKEN).unwrap_err().to_string(),
        settings.effective().to_string(),
        format!("{settings:?}"),
    ];
    for text in texts {
        assert!(text.contains("***") && !text.contains("hidden"), "{text}");
    }
}

#[test]
fn a_key_that_is_given_instead_of_its_path_is_masked() {
    let key = "-----BEGIN PRIVATE KEY-----\nhidden\n-----END PRIVATE KEY-----";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("dwell.toml");
    std::fs::write(&file, format!("DWELL_TLS_KEY_FILE = \"\"\"\n{key}\"\"\"\n")).unwrap();
    let flag = format!("--tls-key-file={key}");
    let given = [
        read(&[&flag], &[]).unwrap(),
        read(&["--tls-key-file", key], &[]).unwrap(),
        read(&[], &[("DWELL_TLS_KEY_FILE", key)]).unwrap(),
        read(&[], &[("DWELL_TLS_KEY_FILE", "-----BEGIN PRIVATE KEY----- hidden")]).unwrap(),
        read(&[], &[("DWELL_TLS_KEY_FILE", "hidden\nhidden")]).unwrap(),
        read(&[], &[("DWELL_CONFIG", file.to_str().unwrap())]).unwrap(),
    ];

    for settings in given {
        let row = settings.rows().into_iter().find(|row| row.name == TLS_KEY_FILE.name).unwrap();
        assert_eq!(row.value.as_deref(), Some("***"));
        for text in [settings.wrong(&TLS_KEY_FILE, "").to_string(), settings.given().to_string()] {
            assert!(text.contains("***") && !text.contains("hidden") && !text.contains("BEGIN"), "{text}");
        }
    }
}

#[test]
fn help_of_a_command_shows_the_settings_that_it_reads_and_takes_the_flags_of_all() {
    let mut own = reading(command("correlator", "matches"), &[OF_QUEUES, &[&REDIS_URL]]);
    let health = own.find_subcommand_mut(HEALTHCHECK).unwrap().render_long_help().to_string();
    let help = own.render_long_help().to_string();
    let matches = own.try_get_matches_from(["correlator", "--hold", "5s", "healthcheck", "--seed", "7"]).unwrap();
    let settings = Settings::read(&matches, environment(&[])).unwrap();

    assert!(help.contains("--redis-url") && help.contains("--queue-dead"), "{help}");
    assert!(!help.contains("--stranger-share") && !help.contains("--hold"), "{help}");
    assert!(!health.contains("--amqp-url") && health.contains("Exit codes: "), "{health}");
    assert_eq!((settings.text(&HOLD), settings.text(&SEED)), (Some("5s"), Some("7")));
}

#[test]
fn help_shows_the_variable_and_the_default() {
    let help = command("correlator", "matches").render_help().to_string();
    assert!(help.contains("--hold <VALUE>"), "{help}");
    assert!(help.contains("[DWELL_HOLD] [default: 30s]"), "{help}");
}

#[test]
fn a_value_that_may_hold_a_secret_can_come_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    let path = file.to_str().unwrap();
    std::fs::write(&file, "amqp://u:hidden@file\r\n").unwrap();

    let settings = read(&[], &[("DWELL_AMQP_URL_FILE", path), ("DWELL_AMQP_URL", "amqp://variable")]).unwrap();
    let flag = read(&["--amqp-url", "amqp://flag"], &[("DWELL_AMQP_URL_FILE", path)]).unwrap();
    let empty = read(&[], &[("DWELL_AMQP_URL_FILE", ""), ("DWELL_AMQP_URL", "amqp://variable")]).unwrap();

    let given = [&settings, &flag, &empty].map(|settings| settings.text(&AMQP_URL).unwrap());
    assert_eq!(given, ["amqp://u:hidden@file", "amqp://flag", "amqp://variable"]);
    let error = settings.url(&AMQP_URL, &["http"]).unwrap_err();
    assert!(error.to_string().starts_with("DWELL_AMQP_URL_FILE=amqp://u:***@file"), "{error}");
    assert_eq!(error.setting(), Some(&AMQP_URL));
}

#[test]
fn a_file_without_the_one_value_is_refused_and_never_quoted() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    let path = file.to_str().unwrap();
    for (text, said) in [("", "is empty"), ("\n", "is empty"), ("hidden\nhidden", "more than one line")] {
        std::fs::write(&file, text).unwrap();
        let error = read(&[], &[("DWELL_INTERNAL_TOKEN_FILE", path)]).unwrap_err().to_string();
        assert!(error.starts_with("DWELL_INTERNAL_TOKEN_FILE=") && error.contains(said), "{error}");
        assert!(!error.contains("hidden"), "{error}");
    }
    for (given, shown) in [("dwell_hidden", "***"), ("amqp://u:hidden@h", "***"), ("/no/such/file", "/no/such/file")] {
        let error = read(&[], &[("DWELL_INTERNAL_TOKEN_FILE", given)]).unwrap_err().to_string();
        assert!(error.contains(shown) && !error.contains("hidden"), "{error}");
    }
    for unknown in ["DWELL_HOLD_FILE", "DWELL_FILE"] {
        assert!(matches!(read(&[], &[(unknown, path)]), Err(Error::UnknownName { .. })), "{unknown}");
    }
    let in_file: Vec<&str> = ALL.iter().filter(|setting| setting.in_file).map(|setting| setting.name).collect();
    assert!(ALL.iter().filter(|setting| setting.secret).all(|setting| in_file.contains(&setting.name)));
    assert_eq!(in_file.len(), 7, "{in_file:?}");
}
