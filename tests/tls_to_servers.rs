//! TLS of the connections that our programs open, to real servers: good certificates carry the whole pipeline, and of
//! each wrong one `dwell doctor` says what is wrong and what to do.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;
use testbed::{Authority, Flaw, Pair, Postgres, Program, RabbitMq, Redis, ServerTls, free_port, wait_until};

use crate::support::{PATIENCE, TOKEN};

/// The authorities of servers and clients, and the files that a program of ours has.
struct Files {
    folder: TempDir,
    servers: Authority,
    clients: Authority,
}

impl Files {
    fn new() -> Self {
        let (servers, clients) = (Authority::new("of servers").unwrap(), Authority::new("of clients").unwrap());
        let new = Self { folder: tempfile::tempdir().unwrap(), servers, clients };
        new.servers.write(&new.below("trusted")).unwrap();
        Authority::new("of strangers").unwrap().write(&new.below("unknown")).unwrap();
        new.clients.write(&new.below("clients")).unwrap();
        new.clients.client("dwell").unwrap().write(&new.below("own")).unwrap();
        new
    }

    fn below(&self, name: &str) -> PathBuf {
        let folder = self.folder.path().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn file(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    fn pair(&self, flaw: Flaw) -> Pair {
        self.servers.server(flaw).unwrap()
    }

    fn good(&self) -> ServerTls {
        ServerTls::showing(self.pair(Flaw::None))
    }

    fn trusting(&self, authority: &str) -> Vec<(&'static str, String)> {
        vec![("DWELL_CA_FILE", self.file(&format!("{authority}/authority.pem")))]
    }

    fn showing(&self) -> Vec<(&'static str, String)> {
        let own = [
            ("DWELL_CLIENT_CERT_FILE", self.file("own/certificate.pem")),
            ("DWELL_CLIENT_KEY_FILE", self.file("own/key.pem")),
        ];
        self.trusting("trusted").into_iter().chain(own).collect()
    }
}

/// A server of others.
enum Server {
    Broker(RabbitMq),
    Cache(Redis),
    Database(Postgres),
}

impl Server {
    /// The setting with its address, and its subject in the doctor's findings.
    fn names(&self) -> (&'static str, &'static str) {
        match self {
            Self::Broker(_) => ("DWELL_AMQP_URL", "rabbitmq"),
            Self::Cache(_) => ("DWELL_REDIS_URL", "redis"),
            Self::Database(_) => ("DWELL_DATABASE_URL", "ledger"),
        }
    }

    /// An address of TLS that leads to its port without TLS.
    fn plain(&self) -> String {
        match self {
            Self::Broker(broker) => broker.amqp_url().replace("amqp:", "amqps:"),
            Self::Cache(cache) => cache.url().replace("redis:", "rediss:"),
            Self::Database(database) => database.url() + "?sslmode=verify-full",
        }
    }

    /// The address of TLS, which it speaks from now on.
    async fn speak(&mut self, tls: ServerTls) -> String {
        match self {
            Self::Broker(broker) => broker.speak_tls(&tls).await.unwrap(),
            Self::Cache(cache) => cache.speak_tls(tls).await.unwrap(),
            Self::Database(database) => {
                database.speak_tls(tls).await.unwrap();
                self.plain()
            }
        }
    }
}

/// What the doctor finds about a subject: `None` if it is fine, else cause and fix.
async fn finding(
    subject: &str,
    setting: (&'static str, String),
    files: Vec<(&'static str, String)>,
) -> Option<(String, String)> {
    let folder = tempfile::tempdir().unwrap();
    let mut doctor = Command::new(env!("CARGO_BIN_EXE_dwell"));
    doctor.args(["doctor", "--json", "--timeout", "30s"]).env("DWELL_DATA_DIR", folder.path());
    doctor.env("DWELL_LISTEN", format!("127.0.0.1:{}", free_port())).envs([setting]).envs(files);
    let ran = tokio::task::spawn_blocking(move || doctor.output().unwrap()).await.unwrap();
    let found: Value = serde_json::from_slice(&ran.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&ran.stderr)));
    let found = found["findings"].as_array().unwrap().iter().find(|one| one["subject"] == subject).unwrap().clone();
    let of = |member: &str| found[member].as_str().unwrap_or_default().to_owned();
    assert!(!found.to_string().contains("PRIVATE"), "{found}");
    (found["verdict"] != "ok").then(|| (of("cause"), of("fix")))
}

/// Goes through good and bad certificates of a server.
async fn accepts_good_certificates_only(mut server: Server) {
    let files = Files::new();
    let (setting, subject) = server.names();
    let said = async |url: &str, files| finding(subject, (setting, url.to_owned()), files).await;
    let explained = |said: Option<(String, String)>, cause: &str, fix: &str| {
        let said = said.unwrap_or_else(|| panic!("{subject}: {cause} is not found"));
        assert!(said.0.contains(cause) && said.1.contains(fix), "{subject}: {said:?}");
    };

    explained(said(&server.plain(), files.trusting("trusted")).await, "TLS", "");
    let url = server.speak(files.good()).await;
    assert_eq!(said(&url, files.trusting("trusted")).await, None);
    explained(said(&url, files.trusting("unknown")).await, "UnknownIssuer", "DWELL_CA_FILE");
    for (flaw, cause) in [
        (Flaw::Expired, "has expired: it was valid until 2021"),
        (Flaw::NotYetValid, "it is from 2090"),
        (Flaw::WrongName, "is for elsewhere.example, and not for 127.0.0.1"),
    ] {
        let url = server.speak(ServerTls::showing(files.pair(flaw))).await;
        explained(said(&url, files.trusting("trusted")).await, cause, "");
    }
    let url = server.speak(files.good().asking_for(&files.clients)).await;
    explained(said(&url, files.trusting("trusted")).await, "certificate", "DWELL_CLIENT_CERT_FILE");
    assert_eq!(said(&url, files.showing()).await, None);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ: ci/test"]
async fn rabbitmq_is_reached_by_good_certificates_only() {
    accepts_good_certificates_only(Server::Broker(RabbitMq::start().await.unwrap())).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Redis: ci/test"]
async fn redis_is_reached_by_good_certificates_only() {
    accepts_good_certificates_only(Server::Cache(Redis::start().await.unwrap())).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL: ci/test"]
async fn postgresql_is_reached_by_good_certificates_only() {
    accepts_good_certificates_only(Server::Database(Postgres::start().await.unwrap())).await;
}

fn summary_api(files: &Files, pair: &Pair, port: u16, more: &[(&'static str, String)]) -> Program {
    let (certificate, key) = pair.write(&files.below(&format!("api-{port}"))).unwrap();
    Program::new(testbed::binary("summary-api").unwrap())
        .env("DWELL_LISTEN", format!("127.0.0.1:{port}"))
        .env("DWELL_DATA_DIR", files.below(&format!("data-{port}")))
        .env("DWELL_INTERNAL_TOKEN", TOKEN)
        .env("DWELL_HOLD", "1s")
        .env("DWELL_TLS_CERT_FILE", certificate)
        .env("DWELL_TLS_KEY_FILE", key)
        .envs(more.iter().cloned())
        .start()
        .unwrap()
}

async fn is_ready(program: &Program, name: &str) {
    wait_until(PATIENCE, name, async || program.output().contains(&format!("{name} is ready"))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_summary_api_is_reached_by_good_certificates_only() {
    let files = Files::new();
    let said = async |port: u16, trusted: &str| {
        let url = format!("https://127.0.0.1:{port}");
        let files = files.trusting(trusted).into_iter().chain([("DWELL_INTERNAL_TOKEN", TOKEN.to_owned())]).collect();
        finding("summary api", ("DWELL_SUMMARY_API_URL", url), files).await
    };
    for (flaw, trusted, cause) in [
        (Flaw::None, "trusted", None),
        (Flaw::None, "unknown", Some("UnknownIssuer")),
        (Flaw::Expired, "trusted", Some("has expired: it was valid until 2021")),
        (Flaw::NotYetValid, "trusted", Some("it is from 2090")),
        (Flaw::WrongName, "trusted", Some("is for elsewhere.example, and not for 127.0.0.1")),
    ] {
        let port = free_port();
        let program = summary_api(&files, &files.pair(flaw), port, &[]);
        is_ready(&program, "summary-api").await;

        let found = said(port, trusted).await.map(|(cause, _)| cause);

        let is_expected = match (&found, cause) {
            (None, None) => true,
            (Some(found), Some(cause)) => found.contains(cause),
            _ => false,
        };
        assert!(is_expected, "{flaw:?}, {trusted}: {found:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_of_traces_is_reached_by_good_certificates_only() {
    let (files, port) = (Files::new(), free_port());
    // Anything that speaks TLS.
    let collector = summary_api(&files, &files.pair(Flaw::None), port, &[]);
    is_ready(&collector, "summary-api").await;
    let endpoint = || ("DWELL_OTLP_ENDPOINT", format!("https://127.0.0.1:{port}"));

    let good = finding("traces", endpoint(), files.trusting("trusted")).await;
    let (cause, fix) = finding("traces", endpoint(), files.trusting("unknown")).await.unwrap();

    assert_eq!(good, None);
    assert!(cause.contains("UnknownIssuer") && fix.contains("DWELL_CA_FILE"), "{cause} {fix}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ, Redis and PostgreSQL: ci/test"]
async fn the_whole_pipeline_matches_an_exit_over_links_of_tls_that_all_need_certificates() {
    let files = Files::new();
    let servers = tokio::try_join!(RabbitMq::start(), Redis::start(), Postgres::start()).unwrap();
    let (mut broker, mut cache, mut database) = servers;
    let ledger = database.database().await.unwrap() + "?sslmode=verify-full";
    let tls = || files.good().asking_for(&files.clients);
    let amqp = broker.speak_tls(&tls()).await.unwrap();
    let redis = cache.speak_tls(tls()).await.unwrap();
    database.speak_tls(tls()).await.unwrap();
    let port = free_port();
    let with_database =
        [("DWELL_DATABASE_URL", ledger), ("DWELL_TLS_CLIENT_CA_FILE", files.file("clients/authority.pem"))];
    let api = summary_api(&files, &files.pair(Flaw::None), port, &[files.showing(), with_database.to_vec()].concat());
    is_ready(&api, "summary-api").await;
    let url = format!("https://localhost:{port}");
    let correlator = Program::new(testbed::binary("correlator").unwrap())
        .env("DWELL_LISTEN", format!("127.0.0.1:{}", free_port()))
        .env("DWELL_AMQP_URL", &amqp)
        .env("DWELL_REDIS_URL", redis)
        .env("DWELL_SUMMARY_API_URL", &url)
        .env("DWELL_INTERNAL_TOKEN", TOKEN)
        .envs(files.showing())
        .start()
        .unwrap();
    is_ready(&correlator, "correlator").await;
    let events = files.folder.path().join("events.ndjson");
    std::fs::write(
        &events,
        "{\"id\":\"9b810e76-6ec9-4286-a3ca-828dd5f4b3b2\",\"vehicle_plate\":\"ABC-123\",\"entry_date_time\":\"2024-09-24T09:00:00Z\"}\n\
         {\"id\":\"ea90a8f0-d66b-429e-aa8a-c4ba05805975\",\"vehicle_plate\":\"ABC-123\",\"exit_date_time\":\"2024-09-24T10:47:12Z\"}\n",
    )
    .unwrap();

    let ran = |arguments: &[&str]| {
        let mut dwell = Command::new(env!("CARGO_BIN_EXE_dwell"));
        dwell.args(arguments).env("DWELL_AMQP_URL", &amqp).envs(files.showing());
        let ran = tokio::task::block_in_place(|| dwell.output().unwrap());
        assert!(ran.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8(ran.stdout).unwrap()
    };
    ran(&["publish", events.to_str().unwrap()]);
    let sessions = ran(&["export", "--api", &url, "--sessions", "-", "--settled", "--timeout", "5m"]);

    assert!(sessions.lines().count() == 2 && sessions.contains(",6432,matched"), "{sessions}");
}
