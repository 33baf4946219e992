//! `RabbitMQ`: a real node with its management plugin, on private loopback ports.
//!
//! Works with `RabbitMQ` 3.10 (Debian 12) and 4 (Debian 13), as root or not. It bypasses the packages' wrappers,
//! which change the user and share one cookie, and has its own Erlang port mapper.

mod management;
mod shared;

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use rustix::process::Signal;

pub use management::Management;
pub use shared::SharedRabbitMq;

use crate::folder::Folder;
use crate::installed;
use crate::ports::Lease;
use crate::process::ServerProcess;
use crate::server_tls::ServerTls;

const PACKAGE: &str = "rabbitmq-server";
const SERVER: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";
const CTL: &str = "/usr/lib/rabbitmq/bin/rabbitmqctl";
/// A start takes 4 to 14 s on two idle cores.
const START_DEADLINE: Duration = Duration::from_mins(2);
const CTL_DEADLINE: Duration = Duration::from_secs(90);
/// A temporary folder restricts the node to this user; the cookie only has to exist.
const COOKIE: &str = "DWELLTESTBED";

/// A separate `RabbitMQ` node.
#[derive(Debug)]
pub struct RabbitMq {
    server: Option<ServerProcess>,
    /// Held for the life of the node, across restarts.
    port_mapper: Option<ServerProcess>,
    folder: Folder,
    ports: Ports,
}

#[derive(Debug)]
struct Ports {
    amqp: Lease,
    distribution: Lease,
    management: Lease,
    port_mapper: Lease,
    /// Of its MQTT plugin, if it is enabled.
    mqtt: Option<Lease>,
    /// Of AMQP with TLS, if it has a certificate.
    amqps: Option<Lease>,
}

impl RabbitMq {
    /// Starts a node and waits until it serves AMQP and its management API.
    pub async fn start() -> anyhow::Result<Self> {
        Self::start_as(false).await
    }

    /// Like `start`, and also serves MQTT by the plugin that comes with it.
    pub async fn start_with_mqtt() -> anyhow::Result<Self> {
        Self::start_as(true).await
    }

    async fn start_as(has_mqtt: bool) -> anyhow::Result<Self> {
        installed::program_at(SERVER, PACKAGE)?;
        let folder = Folder::create("rabbitmq")?;
        let ports = Ports {
            amqp: Lease::take()?,
            distribution: Lease::take()?,
            management: Lease::take()?,
            port_mapper: Lease::take()?,
            mqtt: has_mqtt.then(Lease::take).transpose()?,
            amqps: None,
        };
        write_configuration(&folder, &ports, None)?;
        let mut node = Self { server: None, port_mapper: None, folder, ports };
        node.start_port_mapper().await?;
        node.start_server().await?;
        Ok(node)
    }

    /// The shared node, for tests that do not break it: that of the environment (`TESTBED_AMQP_URL`,
    /// `TESTBED_MANAGEMENT_URL`), or else one per process.
    pub async fn shared() -> anyhow::Result<&'static SharedRabbitMq> {
        shared::shared().await
    }

    /// `amqp://guest:guest@127.0.0.1:PORT`, which means the virtual host `/`.
    pub fn amqp_url(&self) -> String {
        format!("amqp://guest:guest@{}", self.address())
    }

    /// `mqtt://guest:guest@127.0.0.1:PORT`, of a node that was started with MQTT.
    pub fn mqtt_url(&self) -> Option<String> {
        self.ports.mqtt.as_ref().map(|lease| format!("mqtt://guest:guest@127.0.0.1:{}", lease.port()))
    }

    /// Starts the node again, with a second port of TLS, and returns that one's URL: `amqps://guest:guest@127.0.0.1:PORT`.
    pub async fn speak_tls(&mut self, tls: &ServerTls) -> anyhow::Result<String> {
        self.kill()?;
        let port = self.ports.amqps.take().map_or_else(Lease::take, Ok)?;
        let url = format!("amqps://guest:guest@127.0.0.1:{}", port.port());
        self.ports.amqps = Some(port);
        write_configuration(&self.folder, &self.ports, Some(tls))?;
        self.start_server().await?;
        Ok(url)
    }

    /// `127.0.0.1:PORT` of AMQP, for a [`Proxy`](crate::Proxy).
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.ports.amqp.port())
    }

    /// `http://guest:guest@127.0.0.1:PORT`.
    pub fn management_url(&self) -> String {
        format!("http://guest:guest@127.0.0.1:{}", self.ports.management.port())
    }

    /// The management API.
    pub fn management(&self) -> Management {
        Management::new(self.management_url())
    }

    /// `kill -9`; returns when the node is gone. Does nothing if it is not running.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        let Some(server) = self.server.take() else { return Ok(()) };
        server.kill(&mut self.folder)?;
        closed(self.ports.amqp.port())
    }

    /// Starts the node again on its data and ports; kills a running one first.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        self.kill()?;
        self.start_server().await
    }

    /// Freezes the node: its connections stay open and nothing answers.
    pub fn pause(&self) -> anyhow::Result<()> {
        self.running()?.signal_all(Signal::STOP)
    }

    /// Ends a [`pause`](Self::pause).
    pub fn resume(&self) -> anyhow::Result<()> {
        self.running()?.signal_all(Signal::CONT)
    }

    /// Stops the broker inside its running Erlang machine, with a regular close of its connections.
    pub async fn stop_app(&self) -> anyhow::Result<()> {
        self.ctl(&["stop_app"]).await.map(drop)
    }

    /// Ends a [`stop_app`](Self::stop_app), and waits until the node serves again.
    pub async fn start_app(&self) -> anyhow::Result<()> {
        self.ctl(&["start_app"]).await?;
        self.ctl(&["await_startup"]).await?;
        self.management().is_up(CTL_DEADLINE).await
    }

    /// Runs `rabbitmqctl` with these arguments and returns its output. Takes half a second or more.
    pub async fn ctl(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let mut command = tokio::process::Command::from(self.command(CTL));
        command.arg("--node").arg(self.node()).args(arguments).stdin(std::process::Stdio::null()).kill_on_drop(true);
        let output = tokio::time::timeout(CTL_DEADLINE, command.output()).await;
        let output = output.with_context(|| format!("rabbitmqctl {arguments:?} gave no answer in {CTL_DEADLINE:?}"))?;
        let output = output.with_context(|| format!("cannot start {CTL}"))?;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "rabbitmqctl {arguments:?} ended with {}: {errors}", output.status);
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// The node's own log files, for a look after a failure.
    pub fn log_folder(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn running(&self) -> anyhow::Result<&ServerProcess> {
        self.server.as_ref().context("this RabbitMQ was killed; `restart` starts it again")
    }

    fn node(&self) -> String {
        format!("testbed-{}@localhost", self.ports.amqp.port())
    }

    async fn start_port_mapper(&mut self) -> anyhow::Result<()> {
        let port = self.ports.port_mapper.port();
        let mut command = Command::new(installed::program("epmd", "erlang-base")?);
        command.args(["-port", &port.to_string(), "-address", "127.0.0.1"]);
        let mut mapper = ServerProcess::spawn(&mut self.folder, "epmd", command)?;
        mapper.ready(START_DEADLINE, || listens(port)).await?;
        self.port_mapper = Some(mapper);
        Ok(())
    }

    async fn start_server(&mut self) -> anyhow::Result<()> {
        let port = self.ports.amqp.port();
        let command = self.command(SERVER);
        let server = self.server.insert(ServerProcess::spawn(&mut self.folder, "rabbitmq-server", command)?);
        server.ready(START_DEADLINE, || listens(port)).await?;
        self.ctl(&["await_startup"]).await?;
        self.management().is_up(START_DEADLINE).await
    }

    /// A command whose environment ties a server or a tool to this node only.
    fn command(&self, program: &str) -> Command {
        let path = self.folder.path();
        let mut command = Command::new(program);
        // With a service manager's socket the server would report there, and start differently.
        command.env_remove("NOTIFY_SOCKET");
        command
            .env("HOME", path)
            .env("LANG", "C.UTF-8")
            .env("ERL_EPMD_PORT", self.ports.port_mapper.port().to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODENAME", self.node())
            .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODE_PORT", self.ports.amqp.port().to_string())
            .env("RABBITMQ_DIST_PORT", self.ports.distribution.port().to_string())
            .env("RABBITMQ_MNESIA_BASE", path.join("mnesia"))
            .env("RABBITMQ_LOG_BASE", path.join("log"))
            .env("RABBITMQ_PID_FILE", path.join("pid"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", path.join("enabled_plugins"))
            .env("RABBITMQ_CONFIG_FILE", path.join("rabbitmq.conf"))
            .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
            // Without the last three, an idle scheduler spins for a while, which slows down other tests.
            .env(
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
                "-kernel inet_dist_use_interface {127,0,0,1} +sbwt none +sbwtdcpu none +sbwtdio none",
            );
        command
    }
}

impl Drop for RabbitMq {
    fn drop(&mut self) {
        for process in [self.server.take(), self.port_mapper.take()].into_iter().flatten() {
            // The folder's guardian kills what can't be killed here.
            drop(process.kill(&mut self.folder));
        }
    }
}

fn write_configuration(folder: &Folder, ports: &Ports, tls: Option<&ServerTls>) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;

    // Queue depths of the management API are as old as the statistics interval, in milliseconds: 5000 by default.
    let mut configuration = format!(
        "listeners.tcp.default = 127.0.0.1:{amqp}\n\
         management.tcp.ip = 127.0.0.1\n\
         management.tcp.port = {management}\n\
         collect_statistics_interval = 500\n\
         log.console = false\n\
         vm_memory_high_watermark.absolute = 2GB\n\
         disk_free_limit.absolute = 100MB\n",
        amqp = ports.amqp.port(),
        management = ports.management.port(),
    );
    if let (Some(tls), Some(port)) = (tls, &ports.amqps) {
        configuration += &tls.write(folder)?.of_rabbitmq(port.port());
    }
    let mut plugins = "rabbitmq_management".to_owned();
    if let Some(mqtt) = &ports.mqtt {
        configuration.push_str("mqtt.listeners.tcp.default = 127.0.0.1:");
        configuration.push_str(&mqtt.port().to_string());
        plugins += ",rabbitmq_mqtt";
    }
    folder.write("rabbitmq.conf", &configuration)?;
    folder.write("enabled_plugins", &format!("[{plugins}].\n"))?;
    let cookie = folder.path().join(".erlang.cookie");
    if cookie.exists() {
        return Ok(());
    }
    folder.write(".erlang.cookie", COOKIE)?;
    std::fs::set_permissions(&cookie, std::fs::Permissions::from_mode(0o400)).context("cannot protect the cookie")
}

/// Waits until the port has no listener: the last threads of a killed process hold its sockets a moment longer than
/// the process is visible, and the next start would mistake the dying node for its own.
fn closed(port: u16) -> anyhow::Result<()> {
    let start = std::time::Instant::now();
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
        ensure!(start.elapsed() < CTL_DEADLINE, "port {port} is still open {CTL_DEADLINE:?} after kill -9");
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

async fn listens(port: u16) -> bool {
    tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok()
}
