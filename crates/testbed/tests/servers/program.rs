//! Programs under test: their output, their end, and that no process of them is left.

use std::process::Command;
use std::time::Duration;

use testbed::{Program, Signal};

const EVENT_DEADLINE: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_line_is_waited_for_and_a_signal_ends_the_program() {
    let script = "trap 'echo bye; exit 3' TERM; echo \"ready on $PORT\"; while :; do sleep 0.01; done";
    let mut program = shell(script).env("PORT", "4711").start().unwrap();

    let line = program.wait_for_line("ready", EVENT_DEADLINE).await.unwrap();
    program.signal(Signal::TERM).unwrap();
    let status = program.wait(EVENT_DEADLINE).await.unwrap();

    assert_eq!((line.as_str(), status.code()), ("ready on 4711", Some(3)));
    assert_eq!(program.output(), "ready on 4711\nbye\n");
    assert!(!program.is_running());
}

#[tokio::test]
async fn a_program_that_ends_early_shows_what_it_said() {
    let mut program = shell("echo 'port 5000 is taken' >&2; exit 69").start().unwrap();

    let error = program.wait_for_line("ready", EVENT_DEADLINE).await.unwrap_err().to_string();

    assert_eq!(
        error,
        "sh ended with exit status: 69 without a line with \"ready\"; its output ends with:\nport 5000 is taken"
    );
}

#[tokio::test]
async fn a_program_that_hangs_is_reported_after_the_deadline_and_can_be_killed() {
    let mut program = shell("sleep 300 & wait").start().unwrap();

    let waited = program.wait(Duration::from_millis(50)).await.unwrap_err().to_string();
    program.kill().unwrap();

    assert_eq!(waited, "sh still runs after 50ms; it has written nothing");
    assert!(!program.is_running());
}

#[tokio::test]
async fn a_dropped_program_is_gone_with_its_children() {
    let mut program = shell("sleep 300 & echo $!; wait").start().unwrap();
    let child = program.wait_for_line("", EVENT_DEADLINE).await.unwrap();

    drop(program);

    let status = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
    assert!(status.is_empty() || status.contains(") Z "), "{status}");
}

#[tokio::test]
async fn a_test_that_fails_shows_the_last_lines_of_its_programs() {
    const THIS: &str = "program::a_test_that_fails_shows_the_last_lines_of_its_programs";
    const FAILING: &str = "TESTBED_TEST_FAILS";
    if std::env::var_os(FAILING).is_some() {
        let mut program = shell("echo 'port 5000 is taken'; sleep 300").start().unwrap();
        program.wait_for_line("5000", EVENT_DEADLINE).await.unwrap();
        panic!("on purpose");
    }

    let failed =
        Command::new(std::env::current_exe().unwrap()).args(["--exact", THIS]).env(FAILING, "1").output().unwrap();

    let said = String::from_utf8(failed.stdout).unwrap();
    assert!(said.contains("its output ends with:\nport 5000 is taken\n"), "{said}");
}

#[test]
fn a_missing_binary_says_how_to_build_it() {
    let error = testbed::binary("no-such-program").unwrap_err().to_string();

    assert!(error.contains("no-such-program") && error.contains("cargo build --workspace --bins"), "{error}");
}

fn shell(script: &str) -> testbed::ProgramBuilder {
    Program::new("/bin/sh").args(["-c", script])
}
