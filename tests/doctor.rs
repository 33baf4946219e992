//! `dwell doctor` says of each fault, seeded on real servers, what causes it and what to do; and it changes nothing.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};
use testbed::{Mosquitto, Postgres, RabbitMq, Redis, Signal, free_port, wait_until};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::{PATIENCE, dwell_alone, first_session};

/// Runs `dwell` to its end, in a folder and with a port of its own.
fn dwell(command: &str, folder: &Path, environment: &[(&str, &str)], more: &[&str]) -> Output {
    let mut dwell = Command::new(env!("CARGO_BIN_EXE_dwell"));
    dwell.arg(command).args(more);
    dwell.env("DWELL_DATA_DIR", folder).env("DWELL_LISTEN", format!("127.0.0.1:{}", free_port()));
    let mut run = || dwell.envs(environment.iter().copied()).output().unwrap();
    // The doctor waits for servers, some of which are this test's own tasks.
    if tokio::runtime::Handle::try_current().is_ok() { tokio::task::block_in_place(run) } else { run() }
}

/// The findings of the doctor, and its exit code.
fn examined(environment: &[(&str, &str)]) -> (Vec<Value>, Option<i32>) {
    let folder = tempfile::tempdir().unwrap();
    let ran = dwell("doctor", folder.path(), environment, &["--json"]);
    let found: Value = serde_json::from_slice(&ran.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&ran.stderr)));
    (found["findings"].as_array().unwrap().clone(), ran.status.code())
}

/// Seeds a fault and checks that the doctor names it: `cause` and `fix` are words of what it must say.
fn says(environment: &[(&str, &str)], subject: &str, verdict: &str, cause: &str, fix: &str) {
    let (findings, code) = examined(environment);
    let found = findings.iter().find(|one| one["subject"] == subject && one["verdict"] == verdict);
    let found = found.unwrap_or_else(|| panic!("{subject} is not {verdict}: {findings:#?}"));
    let of = |member: &str| found[member].as_str().unwrap_or_default().to_owned();
    assert!(of("cause").contains(cause), "the cause is not said ({cause}): {found:#}");
    assert!(of("fix").contains(fix), "the fix is not said ({fix}): {found:#}");
    let expected = match verdict {
        "warning" => 0,
        "wrong" => 78,
        _ => 1,
    };
    assert_eq!(code, Some(expected), "{findings:#?}");
}

/// Like `says`, for one variable and the failure that it causes.
fn fails(name: &str, value: &str, subject: &str, cause: &str, fix: &str) {
    says(&[(name, value)], subject, "failed", cause, fix);
}

fn without_password(findings: &[Value], password: &str) {
    assert!(!format!("{findings:?}").contains(password), "the password is shown: {findings:#?}");
}

#[test]
fn with_nothing_configured_all_is_well_and_nothing_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");

    let ran = dwell("doctor", &data, &[], &[]);

    let text = String::from_utf8_lossy(&ran.stdout);
    assert!(text.contains("✓ ok") && text.contains("is made at the first start") && !text.contains('\u{1b}'), "{text}");
    assert_eq!(ran.status.code(), Some(0), "{text}");
    assert!(!data.exists());
}

#[test]
fn wrong_settings_are_all_named_by_both_commands_with_exit_78() {
    let folder = tempfile::tempdir().unwrap();
    let lots = folder.path().join("lots.toml");
    std::fs::write(&lots, "[[lot]]\nid = \"P3\"\nkind = \"mall\"\ntime_zone = \"Berlin\"\n").unwrap();
    let wrong = [
        ("DWELL_AMQP_URL", "ampqs://dwell:hidden@broker"),
        ("DWELL_LOTS", lots.to_str().unwrap()),
        ("DWELL_REDIS_URI", "redis://cache"),
        ("DWELL_SUMMARY_API_URL", "htttps://api"),
    ];
    for command in ["validate", "doctor"] {
        let ran = dwell(command, folder.path(), &wrong, &[]);
        let text = String::from_utf8_lossy(&ran.stdout);
        assert_eq!(ran.status.code(), Some(78), "{text}");
        for said in ["did you mean DWELL_REDIS_URL?", "or amqps:// for TLS", "Europe/Berlin", "DWELL_SUMMARY_API_URL"] {
            assert!(text.contains(said), "{said} is missing: {text}");
        }
        assert!(!text.contains("hidden"), "{text}");
    }
    let untold = Command::new(env!("CARGO_BIN_EXE_dwell")).arg("validate").output().unwrap();
    let text = String::from_utf8_lossy(&untold.stdout);
    assert!(text.starts_with("✓ ok") && text.contains(" by default\n1 ok\n"), "{text}");
    let right = dwell("validate", folder.path(), &[("DWELL_HOLD", "1m")], &[]);
    assert_eq!(right.status.code(), Some(0), "{}", String::from_utf8_lossy(&right.stdout));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_and_an_unusable_data_folder_say_who_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let data = file.join("data");
    fails("DWELL_DATA_DIR", data.to_str().unwrap(), "data folder", "can't be written", "DWELL_DATA_DIR");

    let address = answering("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await;
    fails("DWELL_LISTEN", &address, "port", "is taken by another program", "ss -ltnp");
}

/// A server that gives every request this answer; its address.
async fn answering(answer: impl Into<String>) -> String {
    let answer = answer.into();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4096];
            drop(stream.read(&mut request).await);
            drop(stream.write_all(answer.as_bytes()).await);
            drop(stream.shutdown().await);
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn a_summary_api_that_refuses_is_another_or_is_away_says_so() {
    let url = |address: String| format!("http://{address}");
    let status = async |line: &str| url(answering(format!("HTTP/1.1 {line}\r\nContent-Length: 0\r\n\r\n")).await);
    let name = "DWELL_SUMMARY_API_URL";

    fails(name, &status("401 Unauthorized").await, "summary api", "requires a token", "DWELL_API_TOKEN");
    fails(name, &status("404 Not Found").await, "summary api", "another program", "curl -i");
    fails(name, &status("421 Misdirected Request").await, "summary api", "not reached by", "DWELL_PUBLIC_HOSTS");
    let nobody = format!("http://127.0.0.1:{}", free_port());
    fails(name, &nobody, "summary api", "does not answer", "nc -vz 127.0.0.1");

    let wrong_clock = status(
        "200 OK\r\nDate: Tue, 24 Sep 2024 09:00:00 GMT\r\n\
        Content-Type: application/vnd.dwell.v5+postcard",
    )
    .await;
    says(&[(name, &wrong_clock)], "clock of the summary API", "warning", "more than 2s", "timedatectl set-ntp");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_a_running_service_suspects_is_warned_of_with_the_reason() {
    const DAYS_400_MS: i64 = 400 * 86_400_000;
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    let (listen, api) = (format!("127.0.0.1:{port}"), format!("http://127.0.0.1:{port}"));
    let mut dwell = dwell_alone(folder.path(), port);
    first_session(&format!("{api}/api/v1/sessions?limit=1")).await;
    let (findings, _) = examined(&[("DWELL_LISTEN", &listen)]);
    assert!(!format!("{findings:?}").contains("suspected"), "{findings:#?}");
    dwell.signal(Signal::TERM).unwrap();
    assert!(dwell.wait(PATIENCE).await.unwrap().success());
    // As if something had been recorded while the clock was ahead.
    let ledger = rusqlite::Connection::open(folder.path().join("ledger.sqlite")).unwrap();
    ledger.execute("UPDATE lot SET time_ms = time_ms + ?1", [DAYS_400_MS]).unwrap();
    drop(ledger);

    let _dwell = dwell_alone(folder.path(), port);
    wait_until(PATIENCE, "the service to suspect its clock", async || {
        let Ok(answer) = testbed::get(format!("{api}/readyz?verbose")).await else { return false };
        answer.text().await.is_ok_and(|report| report.contains("[-]clock "))
    })
    .await;

    let subject = format!("clock of the service at {listen}");
    let reason = "ahead of this machine's clock: the clock is behind, or it was ahead when";
    says(&[("DWELL_LISTEN", &listen)], &subject, "warning", reason, "timedatectl");
    says(&[("DWELL_SUMMARY_API_URL", &api)], "clock of the summary API", "warning", reason, "own-clock-off.md");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ: ci/test"]
async fn rabbitmq_s_faults_are_named_and_no_queue_is_made() {
    let broker = RabbitMq::shared().await.unwrap();
    let url = broker.vhost("doctor").await.unwrap();
    let host = url.rsplit_once('/').unwrap().1;
    let name = "DWELL_AMQP_URL";

    let (findings, code) = examined(&[(name, &url)]);
    assert_eq!(code, Some(0), "{findings:#?}");
    assert!(format!("{findings:?}").contains("is made when a service starts"), "{findings:#?}");
    let queues = broker.management().get(&format!("queues/{host}")).await.unwrap().unwrap();
    assert_eq!(queues, json!([]), "the doctor has made a queue");

    let wrong_password = url.replace("guest:guest", "guest:hidden");
    fails(name, &wrong_password, "rabbitmq", "refuses the user 'guest'", "rabbitmqctl change_password");
    without_password(&examined(&[(name, &wrong_password)]).0, "hidden");
    let wrong_host = url.replace(host, "nowhere");
    fails(name, &wrong_host, "rabbitmq", "no virtual host 'nowhere'", "rabbitmqctl add_vhost 'nowhere'");
    let passive = [(name, url.as_str()), ("DWELL_QUEUE_DECLARE", "passive")];
    says(&passive, "queue parking.entry", "failed", "no such queue", "DWELL_QUEUE_DECLARE=active");

    let other = json!({"durable": true, "arguments": {"x-queue-type": "classic", "x-max-length": 5}});
    broker.management().put(&format!("queues/{host}/parking.exit"), &other).await.unwrap();
    fails(name, &url, "queue parking.exit", "PRECONDITION_FAILED", "rabbitmqctl delete_queue -p");
    let nobody = format!("amqp://guest:guest@127.0.0.1:{}", free_port());
    fails(name, &nobody, "rabbitmq", "connecting to RabbitMQ", "nc -vz 127.0.0.1");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Redis: ci/test"]
async fn redis_s_faults_are_named() {
    let (redis, primary) = (Redis::start().await.unwrap(), Redis::start().await.unwrap());
    let (url, name) = (redis.url(), "DWELL_REDIS_URL");
    let set = async |what: &str, value: &str| redis.command(&["CONFIG", "SET", what, value]).await.unwrap();
    assert_eq!(examined(&[(name, &url)]).1, Some(0));

    set("maxmemory", "100mb").await;
    set("maxmemory-policy", "noeviction").await;
    says(&[(name, &url)], "redis", "warning", "refuses writes", "CONFIG SET maxmemory-policy allkeys-lru");
    set("maxmemory", "1").await;
    fails(name, &url, "redis", "memory is full", "CONFIG SET maxmemory");
    set("maxmemory", "0").await;

    set("requirepass", "secret-of-redis").await;
    fails(name, &url, "redis", "refuses user and password", "redis://USER:PASSWORD@HOST");
    fails("DWELL_ANSWER_CACHE", &url, "redis", "refuses user and password", "in DWELL_ANSWER_CACHE");
    let wrong = url.replace("redis://", "redis://:hidden@");
    fails(name, &wrong, "redis", "refuses user and password", name);
    without_password(&examined(&[(name, &wrong)]).0, "hidden");

    let (host, port) = redis.address().split_once(':').map(|(host, port)| (host.to_owned(), port.to_owned())).unwrap();
    primary.command(&["REPLICAOF", &host, &port]).await.unwrap();
    fails(name, &primary.url(), "redis", "read-only replica", "INFO replication");
    redis.pause().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let ran = dwell("doctor", folder.path(), &[(name, &url)], &["--timeout", "1s"]);
    redis.resume().unwrap();
    let text = String::from_utf8_lossy(&ran.stdout);
    assert!(text.contains("✗ failed") && text.contains("nc -vz 127.0.0.1"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Mosquitto: ci/test"]
async fn an_mqtt_broker_s_faults_are_named_and_the_settings_that_it_needs() {
    let broker = Mosquitto::start().await.unwrap();
    let (name, topics) = ("DWELL_MQTT_URL", ("DWELL_MQTT_TOPICS", "site/#"));
    let fails = |url: &str, cause: &str, fix: &str| says(&[(name, url), topics], "mqtt", "failed", cause, fix);
    let (findings, code) = examined(&[(name, &broker.url()), topics]);
    let shown = format!("{findings:?}");
    assert_eq!(code, Some(0), "{findings:#?}");
    assert!(shown.contains("(mosquitto version") && shown.contains("autosave_on_changes true"), "{findings:#?}");
    let unknown = format!("{:?}", examined(&[(name, &broker.url_of_stranger()), topics]).0);
    assert!(unknown.contains("does not show its version") && unknown.contains("acl_file"), "{unknown}");

    let wrong = broker.url_of("gates", "hidden");
    fails(&wrong, "refuses the user 'gates'", "mosquitto_passwd PASSWORD-FILE 'gates'");
    without_password(&examined(&[(name, &wrong), topics]).0, "hidden");
    fails(&format!("mqtt://127.0.0.1:{}", free_port()), "refused", "nc -vz 127.0.0.1");
    fails(&broker.url().replace("mqtt:", "mqtts:"), "", "nc -vz 127.0.0.1");
    says(&[(name, &broker.url())], name, "wrong", "no gate of the lots file has topics", "");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL: ci/test"]
async fn postgresql_s_faults_are_named_and_no_table_is_made() {
    let postgres = Postgres::shared().await.unwrap();
    let url = postgres.database().await.unwrap();
    let name = "DWELL_DATABASE_URL";
    let (findings, code) = examined(&[(name, &url)]);
    assert_eq!(code, Some(0), "{findings:#?}");
    assert!(format!("{findings:?}").contains("has none yet"), "{findings:#?}");
    let tables = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'";
    assert_eq!(postgres.query(&url, tables).await.unwrap().trim(), "0");

    let wrong_password = url.replace(":dwell@", ":hidden@");
    fails(name, &wrong_password, "ledger", "password authentication failed", "correct user and password");
    without_password(&examined(&[(name, &wrong_password)]).0, "hidden");
    let (server, _) = url.rsplit_once('/').unwrap();
    fails(name, &format!("{server}/nowhere"), "ledger", "does not exist", "createdb -h 127.0.0.1");
    fails(name, &format!("{url}?sslmode=require"), "ledger", "server does not support TLS", "ssl_cert_file");
    let nobody = format!("postgres://dwell:dwell@127.0.0.1:{}/dwell", free_port());
    fails(name, &nobody, "ledger", "refused", "nc -vz 127.0.0.1");

    postgres.query(&url, "CREATE TABLE invoices (number int)").await.unwrap();
    fails(name, &url, "ledger", "not those of a ledger", name);
    let read_only = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', \
        current_database()); END $$";
    postgres.query(&url, "DROP TABLE invoices").await.unwrap();
    postgres.query(&url, read_only).await.unwrap();
    fails(name, &url, "ledger", "set read-only", "pg_is_in_recovery");
}

#[test]
fn every_effective_value_is_printed_with_its_origin_and_without_secrets_and_plates() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("dwell.toml");
    let lines = "DWELL_AMQP_URL = \"amqp://dwell:hidden@broker\"\nDWELL_UNREAD_PLATES = \"HIDDEN1,HIDDEN2\"\nDWELL_DRAIN = \"7s\"\n";
    std::fs::write(&file, lines).unwrap();
    let given = [("DWELL_CONFIG", file.to_str().unwrap()), ("DWELL_DRAIN", "8s")];
    let more = ["--print", "--hold", "9s", "--internal-token", "hidden-and-long-enough"];

    let ran = dwell("validate", folder.path(), &given, &more);
    let text = String::from_utf8_lossy(&ran.stdout).into_owned();

    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let shown: Vec<String> = text.lines().map(words).collect();
    for line in [
        "DWELL_AMQP_URL file amqp://dwell:***@broker",
        "DWELL_UNREAD_PLATES file (2 plates, not shown)",
        "DWELL_DRAIN environment 8s",
        "DWELL_HOLD flag 9s",
        "DWELL_INTERNAL_TOKEN flag ***",
        "DWELL_SEED default 1",
        "DWELL_REDIS_URL not set",
    ] {
        assert!(shown.iter().any(|one| one == line), "{line} is missing in\n{text}");
    }
    assert!(text.contains("chmod o-rwx") && !text.to_ascii_lowercase().contains("hidden"), "{text}");
    assert_eq!(ran.status.code(), Some(0), "{text}");
    let json = dwell("validate", folder.path(), &given, &["--print", "--json"]).stdout;
    let json: Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(json["settings"].as_array().unwrap().len(), settings::ALL.len());

    std::fs::write(&file, "DWELL_AMPQ_URL = \"amqp://broker\"\n").unwrap();
    let ran = dwell("doctor", folder.path(), &given, &[]);
    let text = String::from_utf8_lossy(&ran.stdout);
    assert!(text.contains("did you mean DWELL_AMQP_URL? Rename it, or remove it from "), "{text}");
    assert_eq!(ran.status.code(), Some(78), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_setting_costs_only_the_checks_that_need_it() {
    let nobody = format!("amqp://guest:hidden@127.0.0.1:{}", free_port());
    let (findings, code) = examined(&[
        ("DWELL_AMQP_URL", &nobody),
        ("DWELL_REDIS_URL", "http://cache"),
        ("DWELL_HOLD", "soon"),
        ("DWELL_XYZZY_PLUGH", "1"),
    ]);

    let verdict =
        |subject: &str| findings.iter().find(|one| one["subject"] == subject).map(|one| one["verdict"].clone());
    assert_eq!(verdict("rabbitmq"), Some(json!("failed")), "{findings:#?}");
    assert_eq!(verdict("port"), Some(json!("ok")), "{findings:#?}");
    assert_eq!(verdict("data folder"), Some(json!("ok")), "{findings:#?}");
    assert_eq!(verdict("redis"), Some(json!("warning")), "{findings:#?}");
    let skipped = findings.iter().find(|one| one["subject"] == "redis").unwrap();
    assert_eq!(skipped["cause"], "not checked, because of DWELL_REDIS_URL");
    assert_eq!(code, Some(78), "{findings:#?}");

    let (findings, code) = examined(&[("DWELL_AMQP_URL", "amqps://broker"), ("DWELL_DATABASE_URL", "mysql://db")]);
    let subjects: Vec<&str> = findings.iter().filter_map(|one| one["subject"].as_str()).collect();
    assert!(!subjects.contains(&"data folder"), "an embedded part is assumed: {findings:#?}");
    assert_eq!(code, Some(78), "{findings:#?}");
}
