//! `PostgreSQL`: a real cluster on a private loopback port, with `fsync` on, as for a ledger.

use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use rustix::process::Signal;
use tokio::sync::OnceCell;

use crate::folder::Folder;
use crate::installed;
use crate::ports::Lease;
use crate::process::ServerProcess;
use crate::server_tls::ServerTls;

const START_DEADLINE: Duration = Duration::from_mins(1);
const COMMAND_DEADLINE: Duration = Duration::from_mins(1);
/// The time of a regular shutdown before a `kill -9`.
const STOP_PATIENCE: Duration = Duration::from_secs(3);
/// The account of Debian's package: the server refuses to run as root.
const ACCOUNT: &str = "postgres";
/// Name and password of the role that owns everything in our clusters.
const ROLE: &str = "dwell";

/// The size of the disk of [`Postgres::start_on_own_disk`], which has room for some hundred thousand events.
const DISK_SIZE: &str = "1g";
/// The file that fills a disk.
const BALLAST: &str = "ballast";
/// Zeros that are written to a disk at a time while it is filled. A smaller piece of the disk may stay free.
const BALLAST_PIECE_BYTES: usize = 4_096;

/// A separate `PostgreSQL` cluster. Its data survives [`kill`](Self::kill) and [`restart`](Self::restart).
#[derive(Debug)]
pub struct Postgres {
    server: Option<ServerProcess>,
    folder: Folder,
    port: Lease,
    /// The file system of its own that has its data.
    disk: Option<PathBuf>,
    tls: Option<ServerTls>,
}

impl Postgres {
    /// Creates an empty cluster, starts it and waits until it answers. Takes one to four seconds.
    pub async fn start() -> anyhow::Result<Self> {
        Self::start_in(Folder::create("postgres")?, None).await
    }

    /// Like [`start`](Self::start), but its data and its write-ahead log are on a disk of 1 GiB that a test can
    /// [fill](Self::fill_disk). `None` when this process must not mount file systems.
    pub async fn start_on_own_disk() -> anyhow::Result<Option<Self>> {
        let folder = Folder::create("postgres")?;
        match folder.mount_disk(DISK_SIZE) {
            Ok(disk) => Self::start_in(folder, Some(disk)).await.map(Some),
            Err(_) => Ok(None),
        }
    }

    async fn start_in(folder: Folder, disk: Option<PathBuf>) -> anyhow::Result<Self> {
        let port = Lease::take()?;
        folder.write("password", ROLE)?;
        if runs_as_root() {
            let (user, group) = account_ids()?;
            let paths = [folder.path().to_owned(), folder.path().join("password")];
            for path in paths.into_iter().chain(disk.clone()) {
                let given = std::os::unix::fs::chown(&path, Some(user), Some(group));
                given.with_context(|| format!("cannot give {} to the user {ACCOUNT}", path.display()))?;
            }
        }
        let mut postgres = Self { server: None, folder, port, disk, tls: None };
        postgres.make_cluster().await?;
        postgres.start_server().await?;
        Ok(postgres)
    }

    /// The shared cluster, for tests that do not break it: that of the environment (`TESTBED_POSTGRES_URL`), or else
    /// one per process.
    pub async fn shared() -> anyhow::Result<&'static SharedPostgres> {
        static SHARED: OnceCell<SharedPostgres> = OnceCell::const_new();

        SHARED.get_or_try_init(SharedPostgres::find).await
    }

    /// `postgres://dwell:dwell@127.0.0.1:PORT/postgres`: the cluster's own database.
    pub fn url(&self) -> String {
        format!("postgres://{ROLE}:{ROLE}@{}/postgres", self.address())
    }

    /// `127.0.0.1:PORT`, for a [`Proxy`](crate::Proxy).
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port.port())
    }

    /// Creates an empty database that no other test uses, and returns its URL.
    pub async fn database(&self) -> anyhow::Result<String> {
        make_database(&self.url()).await
    }

    /// `kill -9` of all its processes; returns when they are gone. Does nothing if it is not running.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.server.take().map_or(Ok(()), |server| server.kill(&mut self.folder))
    }

    /// Starts the server again on its data and port; kills a running one first.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        self.kill()?;
        self.start_server().await
    }

    /// Starts the server again: from now on it also speaks TLS.
    pub async fn speak_tls(&mut self, tls: ServerTls) -> anyhow::Result<()> {
        self.kill()?;
        self.tls = Some(tls);
        self.start_server().await
    }

    /// Settings of the server's TLS, whose files it gets.
    fn settings_of_tls(&self) -> anyhow::Result<Vec<String>> {
        let Some(tls) = &self.tls else { return Ok(Vec::new()) };
        let files = tls.write(&self.folder)?;
        if runs_as_root() {
            let (user, group) = account_ids()?;
            for path in files.paths() {
                std::os::unix::fs::chown(path, Some(user), Some(group)).context("cannot give away a certificate")?;
            }
        }
        if let Some(line) = files.of_postgres_clients() {
            let path = self.data().join("pg_hba.conf");
            let rest = std::fs::read_to_string(&path).context("cannot read pg_hba.conf")?;
            std::fs::write(&path, line.to_owned() + &rest).context("cannot write pg_hba.conf")?;
        }
        Ok(files.of_postgres())
    }

    /// Freezes all its processes: connections stay open and nothing answers.
    pub fn pause(&self) -> anyhow::Result<()> {
        self.running()?.signal_all(Signal::STOP)
    }

    /// Ends a [`pause`](Self::pause).
    pub fn resume(&self) -> anyhow::Result<()> {
        self.running()?.signal_all(Signal::CONT)
    }

    /// Leaves no room on its [own disk](Self::start_on_own_disk).
    pub fn fill_disk(&self) -> anyhow::Result<()> {
        let mut ballast = std::fs::File::create(self.ballast()?).context("cannot make the file that fills the disk")?;
        loop {
            match ballast.write_all(&[0; BALLAST_PIECE_BYTES]) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => return Ok(()),
                Err(error) => return Err(error).context("cannot fill the disk"),
            }
        }
    }

    /// Ends a [`fill_disk`](Self::fill_disk).
    pub fn free_disk(&self) -> anyhow::Result<()> {
        std::fs::remove_file(self.ballast()?).context("cannot free the disk")
    }

    fn ballast(&self) -> anyhow::Result<PathBuf> {
        let disk = self.disk.as_ref().context("this PostgreSQL has no disk of its own")?;
        Ok(disk.join(BALLAST))
    }

    /// Whether the server has not ended, for instance because it could not write.
    pub fn is_running(&mut self) -> bool {
        self.server.as_mut().is_some_and(|server| matches!(server.ended(), Ok(None)))
    }

    /// The output of the server so far: its log.
    pub fn log(&self) -> anyhow::Result<String> {
        let path = self.folder.path().join("postgres.log");
        let log = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(String::from_utf8_lossy(&log).into_owned())
    }

    fn running(&self) -> anyhow::Result<&ServerProcess> {
        self.server.as_ref().context("this PostgreSQL was killed; `restart` starts it again")
    }

    /// Runs SQL with `psql` in the database of `url` and returns the rows as text, columns separated by `|`.
    pub async fn query(&self, url: &str, sql: &str) -> anyhow::Result<String> {
        psql(url, sql).await
    }

    async fn make_cluster(&mut self) -> anyhow::Result<()> {
        let mut command = server_command(&installed::postgres_program("initdb")?);
        command.arg("--pgdata").arg(self.data()).args(["--username", ROLE, "--auth", "scram-sha-256"]);
        command.arg("--pwfile").arg(self.folder.path().join("password"));
        // The cluster has no value before it runs, so only later writes have to be synced to disk.
        command.args(["--no-sync", "--encoding", "UTF8", "--locale", "C.UTF-8"]);
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        let mut command = tokio::process::Command::from(command);
        let output = tokio::time::timeout(START_DEADLINE, command.kill_on_drop(true).output()).await;
        let output = output.with_context(|| format!("initdb is not done after {START_DEADLINE:?}"))?;
        let output = output.context("cannot start initdb")?;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "initdb ended with {}: {errors}", output.status);
        Ok(())
    }

    async fn start_server(&mut self) -> anyhow::Result<()> {
        let mut command = server_command(&installed::postgres_program("postgres")?);
        command.arg("-D").arg(self.data());
        for setting in self.settings_of_tls()? {
            command.args(["-c", &setting]);
        }
        let sockets = self.folder.path().display();
        for setting in [
            "listen_addresses=127.0.0.1".to_owned(),
            format!("port={}", self.port.port()),
            format!("unix_socket_directories={sockets}"),
            "fsync=on".to_owned(),
            "synchronous_commit=on".to_owned(),
            "max_connections=200".to_owned(),
            // Files rather than /dev/shm, so that a killed server leaves nothing outside of its folder.
            "dynamic_shared_memory_type=mmap".to_owned(),
        ] {
            command.args(["-c", &setting]);
        }
        self.server = Some(ServerProcess::spawn(&mut self.folder, "postgres", command)?);

        let url = self.url();
        let server = self.server.as_mut().context("the server was just started")?;
        server.ready(START_DEADLINE, || answers(url.clone())).await
    }

    fn data(&self) -> PathBuf {
        self.disk.as_deref().unwrap_or_else(|| self.folder.path()).join("data")
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let Some(mut server) = self.server.take() else { return };
        // An immediate shutdown frees the shared memory, which a `kill -9` does not.
        server.ends_after(Signal::QUIT, STOP_PATIENCE);
        // The folder's guardian kills what can't be killed here.
        drop(server.kill(&mut self.folder));
    }
}

/// A `PostgreSQL` that other tests use at the same time. Do not stop it, and only use your own database.
#[derive(Debug)]
pub struct SharedPostgres {
    url: String,
    /// Ends with the process, by its folder's guardian: statics are never dropped.
    _own: Option<Postgres>,
}

impl SharedPostgres {
    /// Creates an empty database that no other test uses, and returns its URL.
    pub async fn database(&self) -> anyhow::Result<String> {
        make_database(&self.url).await
    }

    /// `127.0.0.1:PORT`, for a [`Proxy`](crate::Proxy).
    pub fn address(&self) -> &str {
        let rest = self.url.rsplit_once('@').map_or(self.url.as_str(), |(_, rest)| rest);
        rest.split_once('/').map_or(rest, |(address, _)| address)
    }

    /// Runs SQL with `psql` in the database of `url` and returns the rows as text, columns separated by `|`.
    pub async fn query(&self, url: &str, sql: &str) -> anyhow::Result<String> {
        psql(url, sql).await
    }

    async fn find() -> anyhow::Result<Self> {
        if let Ok(url) = std::env::var("TESTBED_POSTGRES_URL") {
            return Ok(Self { url, _own: None });
        }
        let own = Postgres::start().await?;
        Ok(Self { url: own.url(), _own: Some(own) })
    }
}

async fn make_database(url: &str) -> anyhow::Result<String> {
    static MADE: AtomicU32 = AtomicU32::new(0);

    let (server, _) = url.rsplit_once('/').with_context(|| format!("{url} names no database"))?;
    let name = format!("test_{}_{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
    // A database of this name is of an earlier process with the same id.
    psql(url, &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await?;
    psql(url, &format!("CREATE DATABASE {name} TEMPLATE template0")).await?;
    Ok(format!("{server}/{name}"))
}

async fn answers(url: String) -> bool {
    psql(&url, "SELECT 1").await.is_ok()
}

async fn psql(url: &str, sql: &str) -> anyhow::Result<String> {
    let mut command = tokio::process::Command::new(installed::postgres_program("psql")?);
    command.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set", "ON_ERROR_STOP=1"]);
    command.args(["--dbname", url, "--command", sql]).stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(COMMAND_DEADLINE, command.output()).await;
    let output = output.with_context(|| format!("PostgreSQL gave no answer in {COMMAND_DEADLINE:?}: {sql}"))?;
    let output = output.context("cannot start psql")?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "PostgreSQL refuses {sql}: {errors}");
    Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}

/// Builds a command that does not run as root: `PostgreSQL` refuses to.
fn server_command(program: &Path) -> Command {
    if !runs_as_root() {
        return Command::new(program);
    }
    // `setpriv` replaces itself by the program, so that it is our child; `su` and `runuser` would be in between.
    let mut command = Command::new("setpriv");
    command.args(["--reuid", ACCOUNT, "--regid", ACCOUNT, "--init-groups", "--"]).arg(program);
    command
}

fn runs_as_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn account_ids() -> anyhow::Result<(u32, u32)> {
    let accounts = std::fs::read_to_string("/etc/passwd").context("cannot read /etc/passwd")?;
    let ids = accounts.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let [ACCOUNT, _, user, group, ..] = fields[..] else { return None };
        Some((user.parse().ok()?, group.parse().ok()?))
    });
    ids.with_context(|| {
        format!("there is no user {ACCOUNT}: Debian's package `postgresql` makes it, and `ci/test` installs that")
    })
}
