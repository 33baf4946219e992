//! Claims about a service as a real process: signals, exit codes, standard error, and the health check.
//!
//! The process is `examples/idle-service.rs`, which `cargo test` builds beside this test.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops where it stands")]

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

const DEADLINE: Duration = Duration::from_secs(20);

fn idle_service() -> Command {
    let test = std::env::current_exe().unwrap();
    let program: PathBuf = test.parent().unwrap().parent().unwrap().join("examples/idle-service");
    assert!(program.exists(), "{} is missing: build it with cargo build --examples", program.display());
    let mut command = Command::new(program);
    command.env_clear().env("DWELL_LOG_FORMAT", "text").env("DWELL_LISTEN", "127.0.0.1:0");
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A running service; killed when the test fails, so that none is left behind.
struct Running {
    child: Child,
    log: BufReader<ChildStdout>,
    seen: String,
}

impl Running {
    fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let log = BufReader::new(child.stdout.take().unwrap());
        Self { child, log, seen: String::new() }
    }

    /// Reads the log up to a line with these words, and returns the line.
    fn says(&mut self, words: &str) -> String {
        loop {
            let mut line = String::new();
            assert!(self.log.read_line(&mut line).unwrap() > 0, "no line with {words:?} in:\n{}", self.seen);
            self.seen.push_str(&line);
            if line.contains(words) {
                return line.trim_end().to_owned();
            }
        }
    }

    fn address(&mut self) -> String {
        let line = self.says("listening address=");
        line.rsplit_once('=').unwrap().1.to_owned()
    }

    fn signal(&self, name: &str) {
        let status = Command::new("sh").arg("-c").arg(format!("kill -{name} {}", self.child.id())).status().unwrap();
        assert!(status.success());
    }

    /// Waits for the end; the exit code and standard error.
    fn ends(mut self) -> (Option<i32>, String) {
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(start.elapsed() < DEADLINE, "the process does not end");
            std::thread::yield_now();
        };
        let mut stderr = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        (status.code(), stderr)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.child.kill().unwrap();
            self.child.wait().unwrap();
        }
    }
}

fn ended(command: &mut Command) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = command.output().unwrap();
    (status.code(), String::from_utf8(stderr).unwrap())
}

#[test]
fn signal_stops_it_with_success() {
    for name in ["TERM", "INT"] {
        let mut running = Running::start(idle_service());
        running.address();
        running.signal(name);
        running.says(&format!("stopping: finishing work in flight signal=\"SIG{name}\""));
        running.says("idle-service has stopped");
        assert_eq!(running.ends(), (Some(0), String::new()));
    }
}

#[test]
fn signal_right_after_the_first_changes_nothing_and_a_later_one_stops_it_at_once() {
    let mut command = idle_service();
    command.args(["--lots", "stuck", "--drain", "1h"]);
    let mut running = Running::start(command);
    running.says("idle-service is ready");
    running.signal("TERM");
    running.says("stopping: finishing work in flight");
    running.signal("INT");
    running.says("ignoring a signal this soon after the first");
    let begin = Instant::now();
    while running.child.try_wait().unwrap().is_none() {
        assert!(begin.elapsed() < DEADLINE, "no later signal stops it");
        running.signal("TERM");
        std::thread::sleep(Duration::from_millis(50));
    }

    let (code, stderr) = running.ends();

    assert_eq!(code, Some(1));
    assert!(stderr.starts_with("idle-service: the stop cut off unfinished work in: worker;"), "{stderr}");
}

#[test]
fn start_is_logged_once_with_the_settings_that_were_given_and_no_secret() {
    let mut command = idle_service();
    command.env("DWELL_AMQP_URL", "amqp://guest:hidden@host").env("DWELL_INTERNAL_TOKEN", "hidden-hidden-hidden");
    let mut running = Running::start(command);
    let line = running.says(" starts with ");
    running.address();
    running.signal("TERM");
    running.says("has stopped");

    let given =
        "DWELL_LISTEN=127.0.0.1:0 DWELL_AMQP_URL=amqp://guest:***@host DWELL_INTERNAL_TOKEN=*** DWELL_LOG_FORMAT=text";
    assert!(line.ends_with(&format!(" starts with {given}")), "{line}");
    assert!(!running.seen.contains("hidden"), "{}", running.seen);
    assert_eq!(running.seen.matches(" starts with ").count(), 1);
}

#[test]
fn wrong_configuration_exits_78_and_says_what_to_do() {
    let unknown = ended(idle_service().env("DWELL_LISTN", "x"));
    let wrong = ended(idle_service().args(["--lots", "nonsense"]));

    assert_eq!(
        unknown,
        (
            Some(78),
            "idle-service: unknown setting DWELL_LISTN; did you mean DWELL_LISTEN? --help lists all settings\n"
                .to_owned()
        )
    );
    let text = "idle-service: --lots=nonsense: there is no such trouble; allowed is the path of a TOML file of lots\n";
    assert_eq!(wrong, (Some(78), text.to_owned()));
    let said = idle_service().args(["--lots", "nonsense"]).output().unwrap().stdout;
    assert_eq!(
        String::from_utf8_lossy(&said),
        "",
        "a service that was refused its settings says more than the refusal"
    );
}

#[test]
fn task_that_fails_or_panics_makes_it_exit_with_failure() {
    let (failed, why) = ended(idle_service().args(["--lots", "fail"]));
    let (panicked, _) = ended(idle_service().args(["--lots", "panic"]));

    assert_eq!((failed, panicked), (Some(1), Some(1)));
    assert_eq!(why, "idle-service: worker failed\n  because disk is full\n");
}

#[test]
fn taken_port_makes_it_exit_69_with_the_remedy() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();

    let (code, stderr) = ended(idle_service().args(["--listen", &address]));

    assert_eq!(code, Some(69));
    assert!(stderr.starts_with(&format!("idle-service: cannot listen on {address}: port ")), "{stderr}");
    assert!(stderr.contains("is taken by another program"), "{stderr}");
}

#[test]
fn healthcheck_exits_zero_when_ready_and_one_when_not() {
    let mut unready = idle_service();
    unready.args(["--lots", "unready"]);
    let (mut ready, mut unready) = (Running::start(idle_service()), Running::start(unready));
    let check = |address: &str| ended(idle_service().args(["healthcheck", "--listen", address]));

    let (yes, _) = {
        let address = ready.address();
        ready.says("idle-service is ready");
        check(&address)
    };
    let (no, why) = check(&unready.address());
    let without_port = ended(idle_service().arg("healthcheck")).0;

    assert_eq!((yes, no, without_port), (Some(0), Some(1), Some(78)));
    assert!(why.contains("[-]ledger not connected yet"), "{why}");
}

#[test]
fn unknown_flag_exits_two() {
    assert_eq!(ended(idle_service().arg("--nonsense")).0, Some(2));
}
