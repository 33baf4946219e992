//! Mosquitto: a real MQTT broker on a private loopback port, and its client to publish with, to any broker.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::folder::Folder;
use crate::installed;
use crate::ports::Lease;
use crate::process::ServerProcess;
use crate::tls;

const START_DEADLINE: Duration = Duration::from_secs(30);
const PUBLISH_DEADLINE: Duration = Duration::from_mins(1);
const USERS: &str = "users";
const RIGHTS: &str = "rights";
/// The user of the tests, and its password.
const USER: (&str, &str) = ("gates", "for-tests-only");
/// A user who may read and write nothing.
const STRANGER: &str = "stranger";

/// A separate broker. What it acknowledged survives [`kill`](Self::kill) and [`restart`](Self::restart), because it
/// saves its data at every change, which it does not by default.
#[derive(Debug)]
pub struct Mosquitto {
    server: Option<ServerProcess>,
    folder: Folder,
    port: Lease,
    authority: Option<PathBuf>,
}

impl Mosquitto {
    /// Starts a broker whose one user may read and write every topic below `site/`, and waits until it answers.
    pub async fn start() -> anyhow::Result<Self> {
        Self::start_as(false).await
    }

    /// Like `start`, and speaks TLS only.
    pub async fn start_with_tls() -> anyhow::Result<Self> {
        Self::start_as(true).await
    }

    async fn start_as(is_tls: bool) -> anyhow::Result<Self> {
        let (folder, port) = (Folder::create("mosquitto")?, Lease::take()?);
        let authority = is_tls.then(|| tls::make_certificates(folder.path())).transpose()?;
        let mut broker = Self { server: None, folder, port, authority };
        broker.configure()?;
        broker.start_server().await?;
        Ok(broker)
    }

    /// `mqtt://user:password@127.0.0.1:PORT`, or `mqtts://`.
    pub fn url(&self) -> String {
        self.url_of(USER.0, USER.1)
    }

    /// Like `url`, for a user who may read and write nothing.
    pub fn url_of_stranger(&self) -> String {
        self.url_of(STRANGER, USER.1)
    }

    /// Like `url`, for another user.
    pub fn url_of(&self, user: &str, password: &str) -> String {
        let scheme = if self.authority.is_some() { "mqtts" } else { "mqtt" };
        format!("{scheme}://{user}:{password}@{}", self.address())
    }

    /// The file of the certificate authority, if the broker speaks TLS.
    pub fn authority(&self) -> Option<&Path> {
        self.authority.as_deref()
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

    /// Publishes each line as a message; returns once the broker has acknowledged all of them (`QoS` 1).
    pub async fn publish(&self, topic: &str, lines: &str, more: &[&str]) -> anyhow::Result<()> {
        let authority = self.authority.as_ref().map(|file| file.display().to_string());
        let trusting: Vec<&str> = authority.iter().flat_map(|file| ["--cafile", file]).collect();
        mqtt_publish(&self.url(), topic, lines, &[&trusting, more].concat()).await
    }

    fn configure(&self) -> anyhow::Result<()> {
        let file = |name: &str| self.folder.path().join(name);
        let (folder, users, rights) = (self.folder.path().display(), file(USERS), file(RIGHTS));
        let port = self.port.port();
        // Root may start it too: without this it would become a user who can't read the folder.
        let lines = format!(
            "listener {port} 127.0.0.1\nuser root\nallow_anonymous false\npassword_file {}\nacl_file {}\n\
             persistence true\npersistence_location {folder}/\nautosave_on_changes true\nautosave_interval 1\n\
             max_queued_messages 0\n",
            users.display(),
            rights.display(),
        );
        let lines = if self.authority.is_some() { lines + &tls::lines_of_mosquitto(self.folder.path()) } else { lines };
        std::fs::write(file("mosquitto.conf"), lines).context("cannot write mosquitto.conf")?;
        std::fs::write(&rights, format!("user {}\ntopic readwrite site/#\ntopic read $SYS/#\n", USER.0))
            .context("cannot write rights")?;
        std::fs::write(&users, "").context("cannot write users")?;
        for user in [USER.0, STRANGER] {
            let mut adding = Command::new(installed::program("mosquitto_passwd", "mosquitto")?);
            let added =
                adding.arg("-b").arg(&users).args([user, USER.1]).output().context("cannot start mosquitto_passwd")?;
            ensure!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
        }
        Ok(())
    }

    async fn start_server(&mut self) -> anyhow::Result<()> {
        let mut command = Command::new(installed::program("mosquitto", "mosquitto")?);
        command.arg("-c").arg(self.folder.path().join("mosquitto.conf"));
        let server = ServerProcess::spawn(&mut self.folder, "mosquitto", command)?;
        self.server = Some(server);
        let address = self.address();
        let server = self.server.as_mut().context("the server was just started")?;
        server.ready(START_DEADLINE, || answers(address.clone())).await
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        // The folder's guardian kills what can't be killed here.
        drop(self.kill());
    }
}

async fn answers(address: String) -> bool {
    TcpStream::connect(address).await.is_ok()
}

/// Publishes each line as a message with `mosquitto_pub` to the broker of a URL `mqtt://user:password@host:port`;
/// returns once the broker has acknowledged all of them (`QoS` 1). `more` are further flags.
pub async fn mqtt_publish(url: &str, topic: &str, lines: &str, more: &[&str]) -> anyhow::Result<()> {
    let mut command = tokio::process::Command::new(installed::program("mosquitto_pub", "mosquitto-clients")?);
    command.args(["-L", &format!("{url}/{topic}"), "-q", "1", "-l"]).args(more);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut client = command.spawn().context("cannot start mosquitto_pub")?;
    let mut input = client.stdin.take().context("mosquitto_pub has no input")?;
    let writing = async {
        // It may end before it has read everything; its own words say why.
        drop(input.write_all(lines.as_bytes()).await);
        drop(input);
    };
    let ended = async { tokio::join!(writing, client.wait_with_output()).1 };
    let output = tokio::time::timeout(PUBLISH_DEADLINE, ended).await;
    let output = output.context("mosquitto_pub did not end")?.context("mosquitto_pub can't be waited for")?;
    let errors = String::from_utf8_lossy(&output.stderr);
    // It also ends well when it was refused, and reports that only on standard error.
    ensure!(output.status.success() && errors.is_empty(), "the broker did not take all messages: {errors}");
    Ok(())
}
