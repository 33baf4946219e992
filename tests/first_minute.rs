//! The first minute: `dwell` alone shows a matched session within five seconds, and a kill loses and repeats nothing.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::Value;
use testbed::{Program, Signal, free_port};

use crate::support::{PATIENCE, dwell_alone, first_session, json};

const FIRST_MATCH_MAX: Duration = Duration::from_secs(5);

/// Every session that stands, by id, page after page.
async fn all_sessions(api: &str) -> BTreeMap<String, Value> {
    let mut sessions = BTreeMap::new();
    let mut cursor = String::new();
    loop {
        let page = json(&format!("{api}/api/v1/sessions?limit=1000&order=oldest{cursor}")).await.unwrap();
        for session in page["sessions"].as_array().unwrap() {
            let before = sessions.insert(session["session_id"].as_str().unwrap().to_owned(), session.clone());
            assert_eq!(before, None, "a session is there twice");
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return sessions,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_matched_session_is_there_within_five_seconds() {
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    let begin = Instant::now();
    let _dwell = dwell_alone(folder.path(), port);

    let session = first_session(&format!("http://127.0.0.1:{port}/api/v1/sessions?state=matched&limit=1")).await;

    let taken = begin.elapsed();
    assert!(taken < FIRST_MATCH_MAX, "it took {taken:?}");
    assert!(session["dwell_seconds"].as_f64().unwrap() > 0.0, "{session}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_loses_no_session_and_repeats_none() {
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    let api = format!("http://127.0.0.1:{port}");
    let mut killed = dwell_alone(folder.path(), port);
    first_session(&format!("{api}/api/v1/sessions?state=matched&limit=1")).await;
    let before = all_sessions(&api).await;
    killed.kill().unwrap();

    let _again = dwell_alone(folder.path(), port);
    first_session(&format!("{api}/api/v1/sessions?limit=1")).await;
    let after = all_sessions(&api).await;

    let closed = |session: &Value| session["state"] == "matched";
    let lost: Vec<&String> = before
        .iter()
        .filter(|(id, session)| closed(session) && after.get(*id) != Some(session))
        .map(|(id, _)| id)
        .collect();
    assert_eq!(lost, Vec::<&String>::new());
    let exits: Vec<&str> = after.values().filter_map(|session| session["exit_event_id"].as_str()).collect();
    let distinct: std::collections::BTreeSet<&&str> = exits.iter().collect();
    assert_eq!(distinct.len(), exits.len(), "an exit is in two sessions");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_banner_stays_in_sight_of_a_first_look() {
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    let mut dwell = dwell_alone(folder.path(), port);

    for words in ["dwell is ready", "decisions "] {
        dwell.wait_for_line(words, PATIENCE).await.unwrap();
    }

    let printed = dwell.output();
    let until_counted: Vec<&str> = printed.lines().take_while(|line| !line.contains("decisions ")).collect();
    assert!(!until_counted.iter().any(|line| line.contains("session ")), "{printed}");
    assert_eq!((printed.matches("dwell is ready").count(), printed.matches("is up").count()), (1, 0), "{printed}");
    assert!(!printed.contains("DWELL_STRANGER_SHARE"), "it shows settings that nobody gave:\n{printed}");
    assert!(until_counted.len() < 24, "a terminal has 24 lines:\n{printed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_drains_and_says_what_was_done() {
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    let mut dwell = dwell_alone(folder.path(), port);
    first_session(&format!("http://127.0.0.1:{port}/api/v1/sessions?state=matched&limit=1")).await;

    dwell.signal(Signal::INT).unwrap();
    let line = dwell.wait_for_line("stopped: ", PATIENCE).await.unwrap();
    let status = dwell.wait(PATIENCE).await.unwrap();

    assert!(status.success(), "{status}\n{}", dwell.output());
    assert!(line.contains("exits matched"), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_data_folder_and_a_taken_port_are_named_with_the_remedy() {
    let (folder, other, port) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), free_port());
    let _first = dwell_alone(folder.path(), port);
    first_session(&format!("http://127.0.0.1:{port}/api/v1/sessions?limit=1")).await;

    let mut same_folder = dwell_alone(folder.path(), free_port());
    let mut same_port = dwell_alone(other.path(), port);
    let codes = [same_folder.wait(PATIENCE).await.unwrap().code(), same_port.wait(PATIENCE).await.unwrap().code()];

    assert_eq!(codes, [Some(69), Some(69)], "{}{}", same_folder.output(), same_port.output());
    assert!(same_folder.output().contains("DWELL_DATA_DIR"), "{}", same_folder.output());
    assert!(same_port.output().contains(&format!("port {port} is taken")), "{}", same_port.output());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_setting_of_any_part_is_refused_before_anything_is_made() {
    let wrong = [
        ("DWELL_PREFETCH", "0"),
        ("DWELL_QUEUE_TYPE", "mirrored"),
        ("DWELL_REDIS_URL", "not-a-url"),
        ("DWELL_STRANGER_SHARE", "0.95"),
        ("DWELL_HOLD", "soon"),
    ];
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("data");
    for (name, value) in wrong {
        let mut dwell = Program::new(testbed::binary("dwell").unwrap())
            .env("DWELL_DATA_DIR", folder.to_str().unwrap())
            .env("DWELL_LISTEN", "127.0.0.1:0")
            .env(name, value)
            .start()
            .unwrap();

        let status = dwell.wait(PATIENCE).await.unwrap();

        let said = dwell.output();
        assert_eq!(status.code(), Some(78), "{said}");
        assert!(said.contains(&format!("{name}={value}: ")), "{said}");
        assert!(!said.contains("Ctrl-C stops"), "it showed its banner:\n{said}");
        assert!(!folder.exists(), "{name}={value} made the data folder");
    }
}
