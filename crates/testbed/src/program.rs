//! Our own programs as processes: started as by a user, with their output collected, ended with the test.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::process::Signal;

use crate::folder::Guardian;
use crate::process::{in_own_group, kill_family, send};

/// The number of output lines that are kept; older ones are dropped.
const LINES_KEPT: usize = 100_000;
/// The number of output lines that an error shows.
const LINES_SHOWN: usize = 40;
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Finds a program of the workspace beside the running test, such as `target/ci/correlator`.
///
/// In tests of the program's own package, `env!("CARGO_BIN_EXE_correlator")` works too.
pub fn binary(name: &str) -> anyhow::Result<PathBuf> {
    let test = std::env::current_exe().context("cannot tell where the running test is")?;
    // The test is target/PROFILE/deps/NAME-HASH.
    let folder = test.parent().and_then(Path::parent).context("the running test is in no target folder")?;
    let program = folder.join(name);
    if !program.is_file() {
        let path = program.display();
        bail!("there is no {path}: `cargo build --workspace --bins` in the profile of the tests (as `ci/test` does)");
    }
    Ok(program)
}

/// A program to start, with its arguments and environment.
///
/// It inherits the environment without the variables with the prefix `DWELL_`, which are only set here.
#[derive(Debug)]
pub struct ProgramBuilder {
    name: String,
    command: Command,
}

/// A running program. Dropping it kills it with all its children; during a panic, it also shows its last lines.
#[derive(Debug)]
pub struct Program {
    name: String,
    child: Child,
    status: Option<ExitStatus>,
    output: Arc<Mutex<Output>>,
    readers: Vec<JoinHandle<()>>,
    guardian: Guardian,
}

/// Lines of standard output and standard error, interleaved.
#[derive(Debug, Default)]
struct Output {
    lines: VecDeque<String>,
    /// The number of dropped lines.
    dropped: usize,
}

impl ProgramBuilder {
    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.command.arg(argument.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.command.args(arguments.into_iter().map(Into::into));
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.command.env(name, value.into());
        self
    }

    /// Sets environment variables.
    #[must_use]
    pub fn envs<N: Into<OsString>, V: Into<OsString>>(mut self, variables: impl IntoIterator<Item = (N, V)>) -> Self {
        self.command.envs(variables.into_iter().map(|(name, value)| (name.into(), value.into())));
        self
    }

    /// Sets the working directory.
    #[must_use]
    pub fn current_dir(mut self, folder: impl AsRef<Path>) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// Starts the program.
    pub fn start(mut self) -> anyhow::Result<Program> {
        let mut guardian = Guardian::start(None, None)?;
        self.command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        in_own_group(&mut self.command);
        let mut child =
            self.command.spawn().with_context(|| format!("cannot start {}", self.command.get_program().display()))?;
        guardian.watch(&[child.id()])?;
        let output = Arc::new(Mutex::new(Output::default()));
        let mut readers = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            readers.push(collect(stdout, Arc::clone(&output)));
        }
        if let Some(stderr) = child.stderr.take() {
            readers.push(collect(stderr, Arc::clone(&output)));
        }
        Ok(Program { name: self.name, child, status: None, output, readers, guardian })
    }
}

impl Program {
    /// Prepares to start the program at this path, from [`binary`] or `env!("CARGO_BIN_EXE_…")`.
    #[expect(clippy::new_ret_no_self, reason = "as std's Command and thread::Builder, it is set up before it runs")]
    pub fn new(path: impl AsRef<Path>) -> ProgramBuilder {
        Self::through(&[], path)
    }

    /// Like [`new`](Self::new), but the program is started by another one: these words, followed by the program's
    /// path.
    pub fn through(words: &[&str], path: impl AsRef<Path>) -> ProgramBuilder {
        let path = path.as_ref();
        let mut command = match words {
            [] => Command::new(path),
            [first, others @ ..] => {
                let mut command = Command::new(first);
                command.args(others).arg(path);
                command
            }
        };
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"DWELL_")) {
            command.env_remove(name);
        }
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        ProgramBuilder { name, command }
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The program's output so far, standard output and standard error interleaved.
    pub fn output(&self) -> String {
        self.lock().lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
    }

    /// Waits until a line, from the first one on, contains `text`, and returns that line.
    pub async fn wait_for_line(&mut self, text: &str, deadline: Duration) -> anyhow::Result<String> {
        self.wait_for_line_where(&format!("a line with {text:?}"), deadline, |line| line.contains(text)).await
    }

    /// Waits until `is_it` accepts a line, from the first one on, and returns that line. An error says `what` it was.
    pub async fn wait_for_line_where(
        &mut self,
        what: &str,
        deadline: Duration,
        is_it: impl Fn(&str) -> bool,
    ) -> anyhow::Result<String> {
        let start = Instant::now();
        let mut looked_at = 0;
        loop {
            // Checked before the lines, so that the output before the end is complete.
            let ended = self.ended()?;
            {
                let output = self.lock();
                let new = output.lines.iter().skip(looked_at - output.dropped.min(looked_at));
                if let Some(line) = new.into_iter().find(|line| is_it(line)) {
                    return Ok(line.clone());
                }
                looked_at = output.dropped + output.lines.len();
            }
            if let Some(status) = ended {
                bail!("{} ended with {status} without {what}; {}", self.name, self.last_lines());
            }
            if start.elapsed() > deadline {
                bail!("{} has not written {what} after {deadline:?}; {}", self.name, self.last_lines());
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// Sends a signal to the program.
    pub fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        if self.status.is_some() {
            bail!("{} has ended already; {}", self.name, self.last_lines());
        }
        send(self.pid(), signal)
    }

    /// `kill -9` of the program and all that it started; returns when they are gone.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        kill_family(&mut self.child).with_context(|| format!("cannot end {}", self.name))?;
        self.ended().map(drop)
    }

    /// Whether the program still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.ended(), Ok(None))
    }

    /// Waits for the end of the program. Its [`output`](Self::output) is complete then.
    pub async fn wait(&mut self, deadline: Duration) -> anyhow::Result<ExitStatus> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            if start.elapsed() > deadline {
                bail!("{} still runs after {deadline:?}; {}", self.name, self.last_lines());
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        if self.status.is_some() {
            return Ok(self.status);
        }
        self.status = self.child.try_wait().with_context(|| format!("cannot ask for the end of {}", self.name))?;
        if self.status.is_some() {
            self.guardian.watch(&[])?;
            for reader in self.readers.drain(..) {
                // A reader only ends in a panic when this crate is wrong, and then the lines that are there do.
                drop(reader.join());
            }
        }
        Ok(self.status)
    }

    fn last_lines(&self) -> String {
        let output = self.lock();
        if output.lines.is_empty() {
            return "it has written nothing".to_owned();
        }
        let skipped = output.lines.len().saturating_sub(LINES_SHOWN);
        let lines: Vec<&str> = output.lines.iter().skip(skipped).map(String::as_str).collect();
        format!("its output ends with:\n{}", lines.join("\n"))
    }

    fn lock(&self) -> MutexGuard<'_, Output> {
        self.output.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Program {
    #[expect(clippy::print_stderr, reason = "the test harness shows it with the panic")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            // A test that fails may have waited for this program.
            eprintln!("{} (process {}): {}", self.name, self.pid(), self.last_lines());
        }
        if self.status.is_none() {
            // What cannot be killed here falls to the guardian.
            drop(kill_family(&mut self.child));
        }
    }
}

fn collect(stream: impl Read + Send + 'static, output: Arc<Mutex<Output>>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut stream = BufReader::new(stream);
        let mut line = Vec::new();
        while stream.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            line.clear();
            let mut output = output.lock().unwrap_or_else(PoisonError::into_inner);
            if output.lines.len() == LINES_KEPT {
                output.lines.pop_front();
                output.dropped += 1;
            }
            output.lines.push_back(text);
        }
    })
}
