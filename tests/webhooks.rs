//! `dwell webhook` manages receivers at the running summary API, and the receiver of the documentation gets what is
//! recorded.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};
use testbed::{Program, free_port, http, wait_until};

use crate::support::{PATIENCE, ready};

const PAGE: &str = "docs/webhooks.md";

fn dwell(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let program = testbed::binary("dwell").unwrap();
    Command::new(program).args(arguments).envs(variables.iter().copied()).output().unwrap()
}

fn done(ran: &Output) -> String {
    assert_eq!(ran.status.code(), Some(0), "{}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout.clone()).unwrap()
}

/// The receiver that the documentation shows, on this port.
fn documented_receiver(folder: &Path, port: u16, secret: &str, file: &Path) -> Program {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE)).unwrap();
    let code = page.split("```python\n").nth(1).unwrap().split("```").next().unwrap();
    let script = folder.join("receiver.py");
    std::fs::write(&script, code).unwrap();
    let python = Program::new("python3").args([script.to_str().unwrap(), &port.to_string()]);
    python.env("WEBHOOK_SECRET", secret).env("WEBHOOK_FILE", file).start().unwrap()
}

fn lines(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

async fn save_summary(url: &str, plate: &str) {
    let summary = json!({
        "vehicle_plate": plate, "entry_date_time": "2024-09-24T09:00:00Z", "exit_date_time": "2024-09-24T10:00:00Z",
    });
    let answer = http().post(format!("{url}/save_summary")).json(&summary).send().await.unwrap();
    assert_eq!(answer.status(), 200);
}

/// The first word of the first line of the list that names this webhook.
fn id_of(list: &str, name: &str) -> String {
    let line = list.lines().find(|line| line.contains(name)).unwrap_or_else(|| panic!("no {name} in {list}"));
    line.split_whitespace().next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Python: ci/test"]
async fn the_documented_receiver_gets_what_is_recorded_once_and_verifies_it() {
    let folder = tempfile::tempdir().unwrap();
    let (port, receiver_port) = (free_port(), free_port());
    let _api = Program::new(testbed::binary("summary-api").unwrap())
        .env("DWELL_DATA_DIR", folder.path().join("data"))
        .env("DWELL_LISTEN", format!("127.0.0.1:{port}"))
        .env("DWELL_WEBHOOK_PRIVATE_ADDRESSES", "allowed")
        .start()
        .unwrap();
    ready(port).await;
    let url = format!("http://127.0.0.1:{port}");
    let ran = |arguments: &[&str]| dwell(&[&["webhook"], arguments, &["--api", &url]].concat(), &[]);
    let receiver = format!("http://127.0.0.1:{receiver_port}/dwell");
    let secret = done(&ran(&["create", "billing", &receiver, "--plates"])).trim_end().to_owned();
    assert!(secret.starts_with("whsec_"), "{secret}");
    let id = id_of(&done(&ran(&["list"])), "billing");

    // Before the receiver is up: nothing is lost.
    save_summary(&url, "WEBHOOK1").await;
    wait_until(PATIENCE, "the failure", async || done(&ran(&["list"])).contains("failing since")).await;
    assert!(!done(&ran(&["list"])).contains(&secret));
    let file = folder.path().join("received.ndjson");
    let mut receiver = documented_receiver(folder.path(), receiver_port, &secret, &file);
    wait_until(PATIENCE, "the test message", async || ran(&["test", &id]).status.code() == Some(0)).await;
    done(&ran(&["resume", &id]));
    let stays = async || lines(&file).iter().filter(|line| line["type"] == "session.matched").count();
    wait_until(PATIENCE, "the first stay", async || stays().await == 1).await;

    done(&ran(&["pause", &id, "--reason", "billing moves"]));
    save_summary(&url, "WEBHOOK2").await;
    let list = done(&ran(&["list"]));
    assert!(list.contains("paused since") && list.contains("billing moves"), "{list}");
    done(&ran(&["resume", &id]));
    wait_until(PATIENCE, "the second stay", async || stays().await == 2).await;

    // Signed with both secrets: a receiver with the old one accepts it, and ignores what it had before.
    let rotated = done(&ran(&["rotate", &id])).trim_end().to_owned();
    assert_ne!(rotated, secret);
    done(&ran(&["replay", &id, "--after", "0"]));
    save_summary(&url, "WEBHOOK3").await;
    wait_until(PATIENCE, "the third stay", async || stays().await == 3).await;
    receiver.kill().unwrap();
    let stored = lines(&file);
    let plates: Vec<&Value> = stored
        .iter()
        .filter(|line| line["type"] == "session.matched")
        .map(|line| &line["data"]["session"]["vehicle_plate"])
        .collect();
    assert_eq!(plates, ["WEBHOOK1", "WEBHOOK2", "WEBHOOK3"]);

    done(&ran(&["remove", &id]));
    assert_eq!(ran(&["test", &id]).status.code(), Some(1));
}

#[test]
fn a_webhook_is_managed_in_a_ledger_that_no_summary_api_has_open() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let ran =
        |arguments: &[&str]| dwell(&[&["webhook"], arguments, &["--data-dir", data.to_str().unwrap()]].concat(), &[]);

    let secret = done(&ran(&["create", "signs", "https://signs.example/in", "--kinds", "session.opened"]));
    let list = done(&ran(&["list"]));
    let id = id_of(&list, "signs");
    assert!(secret.starts_with("whsec_") && list.contains("masked") && list.contains("active"), "{list}");
    for (arguments, code, said) in [
        (&["pause", &id, "--reason", "not yet"][..], 0, "paused"),
        (&["resume", &id], 0, "resumed"),
        (&["replay", &id, "--after", "0"], 0, "gets every change after 0 again"),
        (&["replay", &id, "--after", "7"], 1, "the newest change is 0"),
        (&["rotate", &id], 0, "whsec_"),
        (&["create", "x", "https://127.0.0.1/"], 1, "url is 127.0.0.1, which is not public"),
        (&["create", "x", "http://signs.example/"], 1, "url needs https"),
        (&["create", "x", "https://signs.example/", "--kinds", "lot.overstay"], 2, "is no kind of change"),
        (&["test", "x"], 2, "is not the id of a webhook"),
        (&["remove", &id], 0, "removed"),
        (&["remove", &id], 1, "no webhook of the ledger has the id"),
    ] {
        let ran = ran(arguments);
        let text = format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
        assert!(ran.status.code() == Some(code) && text.contains(said), "{arguments:?}: {:?} {text}", ran.status);
    }
}
