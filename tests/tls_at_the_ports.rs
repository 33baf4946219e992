//! TLS at the ports of our programs, as seen by clients of others: which certificates they accept, which clients are
//! let in, and that a new certificate needs no restart.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;
use testbed::{Authority, Flaw, Program, RabbitMq, free_port, wait_until};

use crate::support::PATIENCE;

const GOOD: Flaw = Flaw::None;

/// The authorities of a test, and the files of a program and of its clients.
struct Certificates {
    folder: TempDir,
    servers: Authority,
    clients: Authority,
}

impl Certificates {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (servers, clients) = (Authority::new("of servers").unwrap(), Authority::new("of clients").unwrap());
        let new = Self { folder, servers, clients };
        new.servers.write(&new.below("trusted")).unwrap();
        new.clients.write(&new.below("clients")).unwrap();
        new.clients.client("a gate").unwrap().write(&new.below("gate")).unwrap();
        Authority::new("of strangers").unwrap().client("a gate").unwrap().write(&new.below("stranger")).unwrap();
        new.serve(GOOD);
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

    /// Writes a certificate of the server over the one before.
    fn serve(&self, flaw: Flaw) {
        self.servers.server(flaw).unwrap().write(&self.below("server")).unwrap();
    }

    fn settings(&self, needs_certificates: bool) -> Vec<(&'static str, String)> {
        let mut settings = vec![
            ("DWELL_TLS_CERT_FILE", self.file("server/certificate.pem")),
            ("DWELL_TLS_KEY_FILE", self.file("server/key.pem")),
        ];
        if needs_certificates {
            settings.push(("DWELL_TLS_CLIENT_CA_FILE", self.file("clients/authority.pem")));
        }
        settings
    }

    /// Asks with curl, which trusts the authority of servers and shows the certificate in this folder, if any.
    async fn curl(&self, url: String, shown: Option<&str>) -> Answer {
        let mut command = Command::new("curl");
        command.args(["--silent", "--show-error", "--max-time", "60", "--write-out", "\n%{http_code}"]);
        command.args(["--cacert", &self.file("trusted/authority.pem")]);
        if let Some(shown) = shown {
            command.args(["--cert", &self.file(&format!("{shown}/certificate.pem"))]);
            command.args(["--key", &self.file(&format!("{shown}/key.pem"))]);
        }
        command.arg(url);
        let Output { stdout, stderr, .. } =
            tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let text = String::from_utf8(stdout).unwrap();
        let (body, status) = text.rsplit_once('\n').unwrap();
        Answer { status: status.parse().unwrap(), body: body.to_owned(), error: String::from_utf8(stderr).unwrap() }
    }
}

/// The status is 0 if there is no answer.
#[derive(Debug)]
struct Answer {
    status: u16,
    body: String,
    error: String,
}

fn dwell(folder: &Path, port: u16, settings: Vec<(&'static str, String)>) -> Program {
    Program::new(testbed::binary("dwell").unwrap())
        .env("DWELL_DATA_DIR", folder.to_str().unwrap())
        .env("DWELL_LISTEN", format!("127.0.0.1:{port}"))
        .envs(settings)
        .start()
        .unwrap()
}

async fn ready(certificates: &Certificates, port: u16) {
    let url = format!("https://localhost:{port}/readyz");
    wait_until(PATIENCE, "a program to be ready", async || certificates.curl(url.clone(), None).await.status == 200)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_reads_the_page_over_tls_and_refuses_a_certificate_that_is_wrong() {
    let (data, certificates, port) = (tempfile::tempdir().unwrap(), Certificates::new(), free_port());
    let program = dwell(data.path(), port, certificates.settings(false));
    let page = |host: &str| format!("https://{host}:{port}/");
    ready(&certificates, port).await;

    let good = certificates.curl(page("127.0.0.1"), None).await;
    assert!(good.status == 200 && good.body.contains("<html"), "{good:?}");
    let plain = certificates.curl(format!("http://localhost:{port}/"), None).await;
    assert!(plain.status == 400 && plain.body.contains("https://"), "{plain:?}");
    assert!(program.output().contains(&format!("https://127.0.0.1:{port}/")), "{}", program.output());
    let check = Command::new(testbed::binary("dwell").unwrap())
        .arg("healthcheck")
        .env("DWELL_LISTEN", format!("127.0.0.1:{port}"))
        .envs(certificates.settings(false))
        .output()
        .unwrap();
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stderr));

    certificates.serve(Flaw::WrongName);
    let wrong = async || certificates.curl(page("localhost"), None).await.error.contains("SSL");
    wait_until(PATIENCE, "the new certificate", wrong).await;
    certificates.serve(Flaw::Expired);
    wait_until(PATIENCE, "the refusal of an expired certificate", async || {
        program.output().contains("DWELL_TLS_CERT_FILE: the certificate has expired")
    })
    .await;
    certificates.serve(GOOD);
    ready(&certificates, port).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_needs_its_certificate_for_all_but_health_and_metrics() {
    let (data, certificates, port) = (tempfile::tempdir().unwrap(), Certificates::new(), free_port());
    let _program = dwell(data.path(), port, certificates.settings(true));
    ready(&certificates, port).await;
    let status =
        async |path: &str, shown| certificates.curl(format!("https://localhost:{port}{path}"), shown).await.status;

    assert_eq!(status("/api/v1/lots", Some("gate")).await, 200);
    assert_eq!(status("/api/v1/lots", None).await, 403);
    assert_eq!(status("/metrics", None).await, 200);
    assert_eq!(status("/api/v1/lots", Some("stranger")).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_support_bundle_has_readiness_and_metrics_of_a_service_whose_certificate_is_not_for_its_address() {
    let (data, certificates, port) = (tempfile::tempdir().unwrap(), Certificates::new(), free_port());
    let _program = dwell(data.path(), port, certificates.settings(true));
    ready(&certificates, port).await;
    let mut bundle = Command::new(testbed::binary("dwell").unwrap());
    bundle.args(["support-bundle", "--output", "-", "--timeout", "30s"]).current_dir(data.path());
    bundle.env("DWELL_DATA_DIR", data.path()).env("DWELL_LISTEN", format!("127.0.0.1:{port}"));
    // Without DWELL_CA_FILE, so that the certificate is of no known authority.
    bundle.envs(certificates.settings(true));

    let ran = tokio::task::spawn_blocking(move || bundle.output().unwrap()).await.unwrap();

    let text = String::from_utf8(ran.stdout).unwrap();
    for content in [&format!("readiness of https://127.0.0.1:{port}"), "[+]ledger", "\ndwell_build_info{"] {
        assert!(text.contains(content), "{content} is missing: {text}");
    }
}

/// A client that asks for the health of the service, and ends with how that went.
const PYTHON: &str = r#"
import sys, grpc
address, trusted, shown = sys.argv[1:4]
read = lambda path: open(path, "rb").read()
pair = (read(shown + "/key.pem"), read(shown + "/certificate.pem")) if shown else (None, None)
channel = grpc.secure_channel(address, grpc.ssl_channel_credentials(read(trusted), *pair))
try:
    channel.unary_unary("/grpc.health.v1.Health/Check")(b"", timeout=float(sys.argv[4]))
    print("OK")
except grpc.RpcError as error:
    print(error.code().name)
"#;

async fn grpc(certificates: &Certificates, address: String, trusted: &str, shown: Option<&str>) -> String {
    let mut client = Command::new("/usr/bin/python3");
    let shown = shown.map(|name| certificates.file(name)).unwrap_or_default();
    client.args(["-c", PYTHON, &address, &certificates.file(trusted), &shown, "60"]);
    let ran = tokio::task::spawn_blocking(move || client.output().unwrap()).await.unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).unwrap().trim().to_owned()
}

struct Gateway {
    _program: Program,
    address: String,
}

async fn gateway(amqp_url: &str, certificates: &Certificates, needs_certificates: bool) -> Gateway {
    let grpc = free_port();
    let program = Program::new(testbed::binary("gateway").unwrap())
        .env("DWELL_AMQP_URL", amqp_url)
        .env("DWELL_LISTEN", format!("127.0.0.1:{}", free_port()))
        .env("DWELL_GRPC_LISTEN", format!("127.0.0.1:{grpc}"))
        .env("DWELL_METRICS_LISTEN", format!("127.0.0.1:{}", free_port()))
        .envs(certificates.settings(needs_certificates))
        .current_dir(certificates.folder.path())
        .start()
        .unwrap();
    wait_until(PATIENCE, "the gateway", async || program.output().contains("gateway is ready")).await;
    Gateway { _program: program, address: format!("localhost:{grpc}") }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and python3-grpcio: ci/test"]
async fn a_python_client_of_grpc_accepts_good_certificates_only() {
    let certificates = Certificates::new();
    let amqp_url = RabbitMq::shared().await.unwrap().vhost("tls-grpc").await.unwrap();
    let asked = async |trusted: &str| {
        let gateway = gateway(&amqp_url, &certificates, false).await;
        grpc(&certificates, gateway.address.clone(), trusted, None).await
    };

    assert_eq!(asked("trusted/authority.pem").await, "OK");
    assert_eq!(asked("clients/authority.pem").await, "UNAVAILABLE");
    for flaw in [Flaw::WrongName, Flaw::Expired, Flaw::NotYetValid] {
        let strange = Certificates::new();
        strange.serve(flaw);
        let gateway = gateway(&amqp_url, &strange, false).await;
        let said = grpc(&strange, gateway.address.clone(), "trusted/authority.pem", None).await;
        assert_eq!(said, "UNAVAILABLE", "{flaw:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and python3-grpcio: ci/test"]
async fn a_client_of_grpc_needs_its_certificate() {
    let certificates = Certificates::new();
    let amqp_url = RabbitMq::shared().await.unwrap().vhost("tls-grpc-clients").await.unwrap();
    let gateway = gateway(&amqp_url, &certificates, true).await;
    let asked = async |shown| grpc(&certificates, gateway.address.clone(), "trusted/authority.pem", shown).await;

    assert_eq!(asked(Some("gate")).await, "OK");
    assert_eq!(asked(Some("stranger")).await, "UNAVAILABLE");
    assert_eq!(asked(None).await, "UNAVAILABLE");
    // HTTP without TLS is no gRPC either, and the next client is served.
    let plain = certificates.curl(format!("http://{}/", gateway.address), None).await;
    assert_eq!(plain.status, 0, "{plain:?}");
    assert_eq!(asked(Some("gate")).await, "OK");
}
