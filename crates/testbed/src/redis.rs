//! Redis: a real server on a private loopback port. It starts in 50 ms, so it is never shared.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use rustix::process::Signal;

use crate::folder::Folder;
use crate::installed;
use crate::ports::Lease;
use crate::process::ServerProcess;
use crate::server_tls::ServerTls;

const START_DEADLINE: Duration = Duration::from_secs(30);
const COMMAND_DEADLINE: Duration = Duration::from_secs(10);
/// The data folder, below the server's folder.
const DATA: &str = "data";

/// A separate Redis server. Its data survives [`kill`](Self::kill) and [`restart`](Self::restart).
#[derive(Debug)]
pub struct Redis {
    server: Option<ServerProcess>,
    folder: Folder,
    port: Lease,
    tls: Option<(ServerTls, Lease)>,
}

/// The data of a [`Redis`] at one moment.
#[derive(Debug)]
pub struct RedisCopy(Folder);

impl Redis {
    /// Starts an empty server and waits until it answers.
    pub async fn start() -> anyhow::Result<Self> {
        let mut redis = Self { server: None, folder: Folder::create("redis")?, port: Lease::take()?, tls: None };
        redis.start_server().await?;
        Ok(redis)
    }

    /// `redis://127.0.0.1:PORT/0`.
    pub fn url(&self) -> String {
        format!("redis://{}/0", self.address())
    }

    /// Starts the server again, with a second port of TLS, and returns that one's URL: `rediss://127.0.0.1:PORT/0`.
    pub async fn speak_tls(&mut self, tls: ServerTls) -> anyhow::Result<String> {
        self.kill()?;
        let port = self.tls.take().map_or_else(Lease::take, |(_, port)| Ok(port))?;
        let url = format!("rediss://127.0.0.1:{}/0", port.port());
        self.tls = Some((tls, port));
        self.start_server().await?;
        Ok(url)
    }

    /// `127.0.0.1:PORT`, for a [`Proxy`](crate::Proxy).
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port.port())
    }

    /// `kill -9`; returns when the server is gone. Does nothing if it is not running.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.server.take().map_or(Ok(()), |server| server.kill(&mut self.folder))
    }

    /// Starts the server again on its data and port; kills a running one first.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        self.kill()?;
        self.start_server().await
    }

    /// Freezes the server: its connections stay open and nothing answers.
    pub fn pause(&self) -> anyhow::Result<()> {
        self.running()?.signal_all(Signal::STOP)
    }

    /// Ends a [`pause`](Self::pause).
    pub fn resume(&self) -> anyhow::Result<()> {
        self.running()?.signal_all(Signal::CONT)
    }

    /// Removes all keys.
    pub async fn flush(&self) -> anyhow::Result<()> {
        self.command(&["FLUSHALL"]).await.map(drop)
    }

    /// Runs a command with `redis-cli` and returns its answer as text, one line per element.
    pub async fn command(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let mut command = tokio::process::Command::new(installed::program("redis-cli", "redis-tools")?);
        command.args(["-h", "127.0.0.1", "-p", &self.port.port().to_string(), "-e"]).args(arguments);
        command.stdin(Stdio::null()).kill_on_drop(true);
        let output = tokio::time::timeout(COMMAND_DEADLINE, command.output()).await;
        let output =
            output.with_context(|| format!("Redis gave no answer to {arguments:?} in {COMMAND_DEADLINE:?}"))?;
        let output = output.context("cannot start redis-cli")?;
        let answer = String::from_utf8_lossy(&output.stdout).trim_end().to_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "Redis refuses {arguments:?}: {answer}{errors}");
        Ok(answer)
    }

    /// Copies the current data: every answered command is in the copy.
    pub fn copy(&self) -> anyhow::Result<RedisCopy> {
        let copy = Folder::create("redis-copy")?;
        // A command is in the append-only file before it is answered, so a paused server's files are complete.
        self.pause()?;
        let copied = copy_folder(&self.folder.path().join(DATA), &copy.path().join(DATA));
        self.resume()?;
        copied.map(|()| RedisCopy(copy))
    }

    /// Kills the server and starts it on other data: an older copy, or another installation's.
    pub async fn replace_data(&mut self, copy: &RedisCopy) -> anyhow::Result<()> {
        self.kill()?;
        let data = self.folder.path().join(DATA);
        std::fs::remove_dir_all(&data).with_context(|| format!("cannot remove {}", data.display()))?;
        copy_folder(&copy.0.path().join(DATA), &data)?;
        self.start_server().await
    }

    fn running(&self) -> anyhow::Result<&ServerProcess> {
        self.server.as_ref().context("this Redis was killed; `restart` starts it again")
    }

    async fn start_server(&mut self) -> anyhow::Result<()> {
        let data = self.folder.path().join(DATA);
        std::fs::create_dir_all(&data).with_context(|| format!("cannot make {}", data.display()))?;
        let mut command = Command::new(installed::program("redis-server", "redis-server")?);
        command.args(["--port", &self.port.port().to_string(), "--bind", "127.0.0.1", "--dir"]).arg(data);
        command.args(["--appendonly", "yes", "--appendfsync", "everysec", "--save", ""]);
        if let Some((tls, port)) = &self.tls {
            command.args(tls.write(&self.folder)?.of_redis(port.port()));
        }
        let server = ServerProcess::spawn(&mut self.folder, "redis-server", command)?;
        self.server = Some(server);

        let address = self.address();
        let server = self.server.as_mut().context("the server was just started")?;
        server.ready(START_DEADLINE, || answers(address.clone())).await
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // The folder's guardian kills what can't be killed here.
        drop(self.kill());
    }
}

/// Whether the server has loaded its data: before that, it answers a ping with an error.
async fn answers(address: String) -> bool {
    let ping = async {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

        let mut stream = tokio::net::TcpStream::connect(address).await?;
        stream.write_all(b"PING\r\n").await?;
        let mut answer = [0; 7];
        stream.read_exact(&mut answer).await?;
        Ok::<_, std::io::Error>(&answer == b"+PONG\r\n")
    };
    matches!(tokio::time::timeout(Duration::from_secs(2), ping).await, Ok(Ok(true)))
}

fn copy_folder(from: &Path, to: &Path) -> anyhow::Result<()> {
    let failed = || format!("cannot copy {} to {}", from.display(), to.display());
    std::fs::create_dir_all(to).with_context(failed)?;
    for entry in std::fs::read_dir(from).with_context(failed)? {
        let entry = entry.with_context(failed)?;
        let target = to.join(entry.file_name());
        if entry.file_type().with_context(failed)?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), &target).with_context(failed)?;
        }
    }
    Ok(())
}
