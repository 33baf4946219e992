//! A gateway takes the events of senders whose tokens the summary API has: it keeps the list while the summary API is
//! down, lets nobody in before it has one, and shows no token in anything that it writes.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;
use testbed::{Program, RabbitMq, free_port, wait_until};

use crate::acknowledged_at_the_gateway::plates;
use crate::support::{PATIENCE, dwell, metric, ready};

/// Makes a token in the ledger of a folder while no summary API runs.
fn made(folder: &Path, words: &[&str]) -> String {
    let arguments = [&["token", "create", "x", "--data-dir", folder.to_str().unwrap(), "--scopes"], words].concat();
    dwell(&arguments, &[]).trim_end().to_owned()
}

struct Site {
    folder: tempfile::TempDir,
    api: u16,
    http: u16,
    metrics: u16,
}

impl Site {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), api: free_port(), http: free_port(), metrics: free_port() }
    }

    fn ledger(&self) -> PathBuf {
        self.folder.path().join("ledger")
    }

    fn summary_api(&self) -> Program {
        let program = Program::new(testbed::binary("summary-api").unwrap())
            .env("DWELL_DATA_DIR", self.ledger())
            .env("DWELL_LISTEN", format!("127.0.0.1:{}", self.api))
            .env("DWELL_ACCESS", "required");
        program.start().unwrap()
    }

    fn gateway(&self, amqp_url: &str, own_token: &str) -> Program {
        let program = Program::new(testbed::binary("gateway").unwrap())
            .env("DWELL_AMQP_URL", amqp_url)
            .env("DWELL_LISTEN", format!("127.0.0.1:{}", self.http))
            .env("DWELL_GRPC_LISTEN", format!("127.0.0.1:{}", free_port()))
            .env("DWELL_METRICS_LISTEN", format!("127.0.0.1:{}", self.metrics))
            .env("DWELL_ACCESS", "required")
            .env("DWELL_SUMMARY_API_URL", format!("http://127.0.0.1:{}", self.api))
            .env("DWELL_API_TOKEN", own_token)
            .env("DWELL_LOG", "trace")
            .current_dir(self.folder.path());
        program.start().unwrap()
    }

    /// The status of sending an event of this number.
    async fn status(&self, number: usize, token: &str) -> u16 {
        let event = json!({
            "id": format!("9b810e76-6ec9-4286-a3ca-{number:012}"), "vehicle_plate": format!("T{number}"),
            "lot_id": "P3", "gate_id": "in-1", "entry_date_time": "2024-09-24T09:00:00Z",
        });
        let request = testbed::http().post(format!("http://127.0.0.1:{}/api/v1/events", self.http));
        let request = request.header("content-type", "application/json").bearer_auth(token).body(event.to_string());
        request.send().await.unwrap().status().as_u16()
    }

    async fn shown(&self, name: &str) -> f64 {
        metric(&format!("http://127.0.0.1:{}/metrics", self.metrics), name).await.unwrap_or_default()
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ: ci/test"]
async fn the_list_of_tokens_outlives_the_summary_api_and_follows_it_when_it_is_back() {
    let site = Site::new();
    let amqp_url = RabbitMq::shared().await.unwrap().vhost("gateway-tokens").await.unwrap();
    let ledger = site.ledger();
    let own = made(&ledger, &["ingest"]);
    let camera = made(&ledger, &["ingest", "--of-lots", "P3", "--of-gates", "in-1"]);
    let other = made(&ledger, &["ingest", "--of-lots", "P3", "--of-gates", "in-2"]);
    let mut api = site.summary_api();
    ready(site.api).await;
    let mut gateway = site.gateway(&amqp_url, &own);
    ready(site.metrics).await;
    let forged = camera.replace(&camera[20..30], &other[20..30]);

    assert_eq!(site.status(0, &camera).await, 202);
    assert_eq!([site.status(1, &other).await, site.status(1, &forged).await], [403, 401]);

    api.kill().unwrap();
    wait_until(PATIENCE, "an old list", async || site.shown("dwell_gateway_tokens_age_seconds").await > 2.0).await;
    assert_eq!([site.status(2, &camera).await, site.status(2, &forged).await], [202, 401]);

    let id = camera.split('_').nth(1).unwrap();
    dwell(&["token", "revoke", id, "--data-dir", ledger.to_str().unwrap()], &[]);
    assert_eq!(site.status(3, &camera).await, 202, "the gateway can't know of the revocation yet");
    let _api = site.summary_api();
    wait_until(PATIENCE, "the revocation", async || site.status(3, &camera).await == 401).await;
    assert!(site.shown("dwell_gateway_tokens_age_seconds").await < 60.0);

    gateway.kill().unwrap();
    let log = gateway.output();
    assert_eq!(log.matches("summary-api is down").count(), 1, "{log}");
    for token in [&own, &camera, &other, &forged] {
        assert!(!log.contains(&token[20..40]), "a token is in the log");
    }
    let there = plates(&amqp_url).await;
    assert!(["T0", "T2", "T3"].iter().all(|plate| there.contains(*plate)) && !there.contains("T1"), "{there:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ: ci/test"]
async fn without_a_list_a_gateway_is_not_ready_and_lets_nobody_in() {
    let site = Site::new();
    let amqp_url = RabbitMq::shared().await.unwrap().vhost("gateway-no-tokens").await.unwrap();
    let own = made(&site.ledger(), &["ingest"]);
    let gateway = site.gateway(&amqp_url, &own);
    wait_until(PATIENCE, "the failed attempt", async || gateway.output().contains("summary-api is down")).await;
    let readyz = format!("http://127.0.0.1:{}/readyz", site.http);

    assert_eq!(testbed::get(&readyz).await.unwrap().status().as_u16(), 503);
    assert_eq!(site.status(0, &own).await, 503);

    let _api = site.summary_api();
    wait_until(PATIENCE, "the list", async || site.status(0, &own).await == 202).await;
    assert_eq!(testbed::get(&readyz).await.unwrap().status().as_u16(), 200);
}

#[test]
fn a_gateway_that_others_reach_does_not_start_without_tokens_and_says_what_to_set() {
    let folder = tempfile::tempdir().unwrap();
    let start = |variables: &[(&str, &str)]| {
        let mut gateway = Command::new(testbed::binary("gateway").unwrap());
        gateway.env("DWELL_AMQP_URL", "amqp://127.0.0.1:1").env("DWELL_LISTEN", "0.0.0.0:0").current_dir(folder.path());
        let ran = gateway.envs(variables.iter().copied()).output().unwrap();
        (ran.status.code(), String::from_utf8_lossy(&ran.stderr).into_owned())
    };
    for variables in [&[][..], &[("DWELL_ACCESS", "required")]] {
        let (code, said) = start(variables);
        assert_eq!(code, Some(78), "{said}");
        for remedy in ["DWELL_SUMMARY_API_URL", "DWELL_TOKENS_FILE", "dwell token create", "DWELL_ACCESS=open"] {
            assert!(said.contains(remedy), "{remedy} is missing: {said}");
        }
    }
    let (code, said) = start(&[("DWELL_ACCESS", "setup")]);
    assert!(code == Some(78) && said.contains("required"), "{said}");
}
