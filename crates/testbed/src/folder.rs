//! A temporary folder with a guardian: a small shell process that briefly outlives the test process.
//!
//! A test process can end without running destructors (`kill -9`, an abort, statics). The guardian reads a pipe from
//! this process; when the pipe closes, it kills the process groups that it last read, and removes the folder. So no
//! process or file is left, however the tests end.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use anyhow::{Context as _, ensure};

/// Reads lines of process group ids; the last line counts. A server's children may still write while the folder is
/// being removed, so `rm` is repeated.
const GUARDIAN: &str = r#"
groups=
while read -r line; do groups=$line; done
for group in $groups; do kill -s KILL -- "-$group" 2>/dev/null; done
[ -n "$2" ] && umount --lazy -- "$2" 2>/dev/null
[ -n "$1" ] || exit 0
for attempt in 1 2 3 4 5; do rm -rf -- "$1" 2>/dev/null && break; sleep 0.2; done
"#;

/// The name of the disk that may be mounted below a folder.
const DISK: &str = "disk";

/// Kills process groups when this process ends, for any reason.
#[derive(Debug)]
pub(crate) struct Guardian {
    shell: Child,
    pipe: Option<ChildStdin>,
}

impl Guardian {
    /// A guardian that also removes `folder` at the end, if given, and unmounts `disk` before.
    pub(crate) fn start(folder: Option<&Path>, disk: Option<&Path>) -> anyhow::Result<Self> {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", GUARDIAN, "testbed-guardian"]);
        for path in [folder, disk] {
            command.arg(path.unwrap_or_else(|| Path::new("")));
        }
        command.current_dir("/").stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        // A Ctrl-C in the terminal does not reach it.
        command.process_group(0);
        let mut shell =
            command.spawn().context("cannot start /bin/sh, which stops servers when a test process dies")?;
        let pipe = shell.stdin.take();
        Ok(Self { shell, pipe })
    }

    /// Sets the process groups that must not outlive this process.
    pub(crate) fn watch(&mut self, groups: &[u32]) -> anyhow::Result<()> {
        let line = groups.iter().map(u32::to_string).collect::<Vec<_>>().join(" ");
        let pipe = self.pipe.as_mut().context("the guardian of this server was already dismissed")?;
        writeln!(pipe, "{line}").context("the guardian of this server has ended")
    }
}

impl Drop for Guardian {
    fn drop(&mut self) {
        // Closing the pipe is the signal. The guardian kills its last groups, removes the folder and ends.
        drop(self.pipe.take());
        drop(self.shell.wait());
    }
}

/// A temporary folder, removed with its guardian.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    guardian: Guardian,
    groups: Vec<u32>,
}

impl Folder {
    pub(crate) fn create(server: &str) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix(&format!("dwell-testbed-{server}-")).tempdir();
        let path = folder.context("cannot make a temporary folder (is TMPDIR writable?)")?.keep();
        let removed = if std::env::var_os("TESTBED_KEEP").is_some() { None } else { Some(path.as_path()) };
        let guardian = Guardian::start(removed, Some(&path.join(DISK)))?;
        Ok(Self { path, guardian, groups: Vec::new() })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file below this folder, and returns its path.
    pub(crate) fn write(&self, name: &str, text: &str) -> anyhow::Result<PathBuf> {
        let path = self.path.join(name);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }

    /// Mounts a file system in memory of this size below this folder, and returns its path. Needs root with the right to
    /// mount. It is unmounted with the folder.
    pub(crate) fn mount_disk(&self, size: &str) -> anyhow::Result<PathBuf> {
        let path = self.path.join(DISK);
        std::fs::create_dir(&path).with_context(|| format!("cannot make {}", path.display()))?;
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", &format!("size={size},mode=755"), "dwell-testbed"]).arg(&path);
        let output = command.output().context("cannot start mount")?;
        ensure!(output.status.success(), "cannot mount a disk: {}", String::from_utf8_lossy(&output.stderr));
        Ok(path)
    }

    /// Registers the process group: from now on it dies with this process.
    pub(crate) fn guard(&mut self, group: u32) -> anyhow::Result<()> {
        self.groups.push(group);
        self.guardian.watch(&self.groups)
    }

    /// The process group has ended; its number may be reused.
    pub(crate) fn unguard(&mut self, group: u32) -> anyhow::Result<()> {
        self.groups.retain(|guarded| *guarded != group);
        self.guardian.watch(&self.groups)
    }
}
