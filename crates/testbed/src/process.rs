//! A server's process, in its own process group, killed with all its children.

use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal};

use crate::folder::Folder;

/// The maximum time until a killed process is gone. Usually milliseconds, unless the machine is overloaded.
const KILL_DEADLINE: Duration = Duration::from_secs(10);
/// The bytes of a log that an error shows.
const LOG_TAIL: usize = 2_000;

/// Protects the process from a terminal's Ctrl-C, and makes it killable together with its children.
pub(crate) fn in_own_group(command: &mut Command) {
    command.process_group(0);
}

/// A running server, with its output in a file of its folder.
#[derive(Debug)]
pub(crate) struct ServerProcess {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl ServerProcess {
    /// Starts the command; its output goes to `NAME.log` in the folder.
    pub(crate) fn spawn(folder: &mut Folder, name: &'static str, mut command: Command) -> anyhow::Result<Self> {
        let log = folder.path().join(format!("{name}.log"));
        let output = File::options().create(true).append(true).open(&log);
        let output = output.with_context(|| format!("cannot open {}", log.display()))?;
        let errors = output.try_clone().with_context(|| format!("cannot open {} twice", log.display()))?;
        command.stdin(Stdio::null()).stdout(output).stderr(errors).current_dir(folder.path());
        in_own_group(&mut command);
        let child = command.spawn().with_context(|| format!("cannot start {}", command.get_program().display()))?;
        let process = Self { name, child, log };
        folder.guard(process.group())?;
        Ok(process)
    }

    /// The process id, which is also the id of its group.
    pub(crate) fn group(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal to the server's first process only.
    pub(crate) fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        send(self.group(), signal)
    }

    /// Sends a signal to all processes of the server, including those in a group of their own.
    pub(crate) fn signal_all(&self, signal: Signal) -> anyhow::Result<()> {
        let group = self.group();
        send_to_group(group, signal)?;
        for process in family_of(group).iter().filter(|process| process.group != group) {
            // An error means that it has ended meanwhile.
            drop(send(process.pid, signal));
        }
        Ok(())
    }

    /// Waits until `is_ready` returns true; fails early, with the end of the log, if the server ends.
    // Not an `AsyncFnMut`: the compiler can't prove that a future with one is `Send`.
    pub(crate) async fn ready<F: Future<Output = bool>>(
        &mut self,
        deadline: Duration,
        is_ready: impl Fn() -> F,
    ) -> anyhow::Result<()> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.ended()? {
                bail!("{} ended at its start with {status}; its output ends with:\n{}", self.name, tail(&self.log));
            }
            if is_ready().await {
                return Ok(());
            }
            if start.elapsed() > deadline {
                bail!("{} is not ready after {deadline:?}; its output ends with:\n{}", self.name, tail(&self.log));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The status with which the server has ended; `None` while it runs.
    pub(crate) fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        self.child.try_wait().with_context(|| format!("cannot ask for the end of {}", self.name))
    }

    /// Sends `signal` to the first process, and returns whether the server then ended within `patience`.
    pub(crate) fn ends_after(&mut self, signal: Signal, patience: Duration) -> bool {
        let start = Instant::now();
        if self.signal(signal).is_err() {
            return false;
        }
        while start.elapsed() < patience {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        false
    }

    /// `kill -9` of the server and all its children; returns when none of them runs any more.
    ///
    /// Blocks the thread for some milliseconds, so that it can also be used in a destructor.
    pub(crate) fn kill(mut self, folder: &mut Folder) -> anyhow::Result<()> {
        let group = self.group();
        kill_family(&mut self.child).with_context(|| format!("cannot end {}", self.name))?;
        folder.unguard(group)
    }
}

/// Kills a child, its process group and its descendants, and waits until all are gone.
pub(crate) fn kill_family(child: &mut Child) -> anyhow::Result<()> {
    let group = child.id();
    // Read before the kill: afterwards orphans have another parent.
    let family = family_of(group);
    // An error means that it is gone already, which is fine.
    drop(send_to_group(group, Signal::KILL));
    for process in &family {
        drop(send(process.pid, Signal::KILL));
    }
    child.wait().context("cannot wait for the end of a process")?;

    let start = Instant::now();
    loop {
        let ours = |process: &LiveProcess| process.group == group || family.iter().any(|one| one.is(process));
        let alive = processes().into_iter().filter(ours);
        let alive: Vec<u32> = alive.map(|process| process.pid).collect();
        if alive.is_empty() {
            return Ok(());
        }
        if start.elapsed() > KILL_DEADLINE {
            bail!("processes {alive:?} still run {KILL_DEADLINE:?} after kill -9");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Sends a signal to one process.
pub(crate) fn send(pid: u32, signal: Signal) -> anyhow::Result<()> {
    rustix::process::kill_process(to_pid(pid)?, signal)
        .with_context(|| format!("cannot send a signal to process {pid}"))
}

/// Sends a signal to a process group.
pub(crate) fn send_to_group(group: u32, signal: Signal) -> anyhow::Result<()> {
    rustix::process::kill_process_group(to_pid(group)?, signal)
        .with_context(|| format!("cannot send a signal to process group {group}"))
}

fn to_pid(pid: u32) -> anyhow::Result<Pid> {
    let raw = i32::try_from(pid).ok().filter(|raw| *raw > 1).and_then(Pid::from_raw);
    raw.with_context(|| format!("{pid} is not the id of a process that a test may signal"))
}

/// A running process, not a zombie.
#[derive(Debug, Clone, PartialEq, Eq)]
struct LiveProcess {
    pid: u32,
    parent: u32,
    group: u32,
    /// Ticks since boot, which distinguish a process from a later one with the same id.
    started: u64,
}

impl LiveProcess {
    /// Whether both are the same process; its parent and group may change during its life.
    fn is(&self, other: &Self) -> bool {
        self.pid == other.pid && self.started == other.started
    }
}

fn family_of(root: u32) -> Vec<LiveProcess> {
    let all = processes();
    let mut family: Vec<LiveProcess> =
        all.iter().filter(|process| process.group == root || process.pid == root).cloned().collect();
    let mut next = 0;
    while next < family.len() {
        let parent = family[next].pid;
        for child in all.iter().filter(|process| process.parent == parent) {
            if !family.contains(child) {
                family.push(child.clone());
            }
        }
        next += 1;
    }
    family
}

fn processes() -> Vec<LiveProcess> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| std::fs::read_to_string(entry.path().join("stat")).ok())
        .filter_map(|stat| parse(&stat))
        .collect()
}

/// Reads a line of `/proc/PID/stat`; `None` for a zombie.
fn parse(stat: &str) -> Option<LiveProcess> {
    let (pid, rest) = stat.split_once(' ')?;
    // The name is in parentheses and may itself contain some.
    let (_, fields) = rest.rsplit_once(") ")?;
    let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
    let ended = matches!(*fields.first()?, "Z" | "X");
    let process = LiveProcess {
        pid: pid.parse().ok()?,
        parent: fields.get(1)?.parse().ok()?,
        group: fields.get(2)?.parse().ok()?,
        started: fields.get(19)?.parse().ok()?,
    };
    (!ended).then_some(process)
}

/// The end of a log, for an error.
pub(crate) fn tail(log: &Path) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let start = text.len().saturating_sub(LOG_TAIL);
    String::from_utf8_lossy(&text[start..]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_read_whatever_its_name() {
        let stat = "4711 (odd) name (x)) S 1 4700 4700 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 98765 1 1";

        let process = parse(stat);

        assert_eq!(process, Some(LiveProcess { pid: 4711, parent: 1, group: 4700, started: 98765 }));
    }

    #[test]
    fn a_killed_server_takes_its_children_with_it_even_those_in_a_group_of_their_own() {
        let mut folder = Folder::create("family").unwrap();
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "setsid sleep 300 & one=$!; sleep 300 & echo $one > child; wait"]);
        let server = ServerProcess::spawn(&mut folder, "family", command).unwrap();
        let child = folder.path().join("child");
        let start = Instant::now();
        while std::fs::read_to_string(&child).unwrap_or_default().is_empty() {
            assert!(start.elapsed() < Duration::from_secs(10), "the shell wrote no process id");
            std::thread::yield_now();
        }
        let group = server.group();
        let family = family_of(group);

        server.kill(&mut folder).unwrap();

        assert!(family.len() >= 3, "{family:?}");
        assert_eq!(processes().into_iter().filter(|process| family.iter().any(|one| one.is(process))).count(), 0);
    }

    #[test]
    fn the_guardian_ends_what_its_process_left_running() {
        let mut folder = Folder::create("guardian").unwrap();
        let path = folder.path().to_owned();
        let mut command = Command::new("sleep");
        command.arg("300");
        let mut server = ServerProcess::spawn(&mut folder, "sleep", command).unwrap();

        drop(folder);

        let status = server.child.wait().unwrap();
        assert_eq!((status.code(), path.exists()), (None, false));
    }
}
