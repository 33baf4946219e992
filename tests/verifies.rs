//! `dwell verify` compares a whole ledger with its events: beside the pipeline, when nothing runs, and where a flag
//! says.

use std::path::Path;
use std::process::{Command, Output};

use testbed::{Signal, free_port};

use crate::support::{PATIENCE, dwell_alone, first_session};

fn verify(arguments: &[&str], folder: &Path) -> Output {
    verify_with(&[], arguments, folder)
}

fn verify_with(variables: &[(&str, &str)], arguments: &[&str], folder: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dwell"));
    command.arg("verify").args(arguments).envs(variables.iter().copied()).current_dir(folder).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_is_verified_beside_the_pipeline_when_nothing_runs_and_where_a_flag_says() {
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    let nothing = verify(&["--data-dir", "nothing-here"], folder.path());
    assert_eq!(nothing.status.code(), Some(69), "{}", text(&nothing.stderr));
    assert!(!folder.path().join("nothing-here").exists());

    let mut dwell = dwell_alone(folder.path(), port);
    let api = format!("http://127.0.0.1:{port}");
    first_session(&format!("{api}/api/v1/sessions?state=matched&limit=1")).await;
    let beside = verify(&["--api", &api], folder.path());
    let named = verify_with(&[("DWELL_SUMMARY_API_URL", &api)], &["--data-dir", "nothing-here"], folder.path());
    let held = verify_with(&[("DWELL_SUMMARY_API_URL", &api)], &["--data-dir", "."], folder.path());
    let both = verify(&["--api", &api, "--data-dir", "."], folder.path());
    dwell.signal(Signal::TERM).unwrap();
    assert!(dwell.wait(PATIENCE).await.unwrap().success());
    let alone = verify(&["--data-dir", folder.path().to_str().unwrap()], folder.path());

    assert_eq!(named.status.code(), Some(69), "{}", text(&named.stdout));
    assert!(text(&named.stderr).contains("--data-dir"), "{}", text(&named.stderr));
    assert!(!held.status.success() && text(&held.stderr).contains("in use"), "{}", text(&held.stderr));
    assert_eq!(both.status.code(), Some(2), "{}", text(&both.stderr));

    for ran in [&beside, &alone] {
        let said = text(&ran.stdout);
        assert_eq!(ran.status.code(), Some(0), "{said}{}", text(&ran.stderr));
        assert!(said.contains("every event is accounted for, exactly once") && !said.starts_with("0 events"), "{said}");
    }
    assert!(!text(&alone.stdout).contains("meanwhile"), "{}", text(&alone.stdout));
}
