//! `dwell token` and `dwell user` manage the accounts of a ledger: before its first start, beside the running summary
//! API, and of several summary APIs at once. What they make lets programs and people in until it is revoked.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use testbed::{Program, free_port, wait_until};

use crate::support::{PATIENCE, ready};

const PASSWORD: &str = "four words in a row";

/// Runs `dwell` in a folder of its own, so that no ledger of the developer is found.
fn dwell(folder: &Path, arguments: &[&str], variables: &[(&str, &str)], input: &str) -> Output {
    let mut child = Command::new(testbed::binary("dwell").unwrap())
        .args(arguments)
        .current_dir(folder)
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that does not read its input may have ended already.
    drop(child.stdin.take().unwrap().write_all(input.as_bytes()));
    child.wait_with_output().unwrap()
}

fn done(ran: &Output) -> String {
    assert_eq!(ran.status.code(), Some(0), "{}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout.clone()).unwrap()
}

fn api(folder: &Path, port: u16) -> Program {
    Program::new(testbed::binary("summary-api").unwrap())
        .env("DWELL_DATA_DIR", folder)
        .env("DWELL_LISTEN", format!("127.0.0.1:{port}"))
        .env("DWELL_ACCESS", "required")
        .start()
        .unwrap()
}

async fn status(url: &str, token: &str) -> u16 {
    testbed::http().get(format!("{url}/api/v1/lots")).bearer_auth(token).send().await.unwrap().status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_token_is_made_before_the_first_start_and_all_others_beside_the_running_service() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let here = ["--data-dir", data.to_str().unwrap()];
    let port = free_port();
    let mut refused = api(&data, port);
    assert_eq!(refused.wait(PATIENCE).await.unwrap().code(), Some(78), "{}", refused.output());
    assert!(refused.output().contains("dwell token create") && refused.output().contains("dwell user add"));

    let create = ["token", "create", "admin", "--scopes", "admin,read,read_plate"];
    let admin = done(&dwell(folder.path(), &[&create[..], &here].concat(), &[], "")).trim_end().to_owned();
    let _api = api(&data, port);
    ready(port).await;
    let locked = dwell(folder.path(), &[&["token", "list"][..], &here].concat(), &[], "");
    assert_eq!(locked.status.code(), Some(69), "{locked:?}");

    let url = format!("http://127.0.0.1:{port}");
    let at = [("DWELL_SUMMARY_API_URL", url.as_str()), ("DWELL_API_TOKEN", admin.as_str())];
    let ran = |arguments: &[&str], input: &str| dwell(folder.path(), arguments, &at, input);
    let page =
        done(&ran(&["token", "create", "page", "--scopes", "read", "--of-lots", "P3"], "")).trim_end().to_owned();
    assert_eq!((status(&url, &page).await, status(&url, &admin).await), (200, 200));
    let beyond = ran(&["token", "create", "x", "--scopes", "ingest"], "");
    assert_eq!(beyond.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&beyond.stderr).contains("403"), "{beyond:?}");

    let id = page.split('_').nth(1).unwrap();
    assert_eq!(done(&ran(&["token", "revoke", id], "")), format!("revoked {id}\n"));
    assert_eq!(status(&url, &page).await, 401);
    let listed = done(&ran(&["token", "list"], ""));
    assert!(listed.contains(id) && listed.contains("revoked 2") && !listed.contains(&page), "{listed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_signs_in_until_the_password_changes_and_no_password_is_on_a_command_line_or_in_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let here = ["--data-dir", data.to_str().unwrap()];
    let add = ["user", "add", "maria", "--scopes", "admin,read,read_plate", "--password-file", "-"];
    let ran = dwell(folder.path(), &[&add[..], &here].concat(), &[], &format!("{PASSWORD}\n"));
    assert_eq!(done(&ran), "added maria\n");
    let weak = dwell(folder.path(), &[&add[..], &here].concat(), &[], "short\n");
    assert_eq!(weak.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&weak.stderr).contains("fewer than 12 characters"), "{weak:?}");
    let no_terminal = dwell(folder.path(), &[&["user", "password", "maria"][..], &here].concat(), &[], "");
    assert!(String::from_utf8_lossy(&no_terminal.stderr).contains("--password-file"), "{no_terminal:?}");

    let port = free_port();
    let mut api = api(&data, port);
    ready(port).await;
    let url = format!("http://127.0.0.1:{port}");
    let cookie = sign_in(&url, PASSWORD).await.unwrap();
    let seen = async || {
        let asked = testbed::http().get(format!("{url}/api/v1/lots")).header("cookie", &cookie);
        asked.send().await.unwrap().status().as_u16()
    };
    assert_eq!(seen().await, 200);
    // The ledger is not a secret: it holds no password, no cookie and no token.
    for file in ["ledger.sqlite", "ledger.sqlite-wal"].map(|name| data.join(name)) {
        let bytes = std::fs::read(&file).unwrap_or_default();
        for secret in [PASSWORD, cookie.split('=').nth(1).unwrap()] {
            assert!(!bytes.windows(secret.len()).any(|part| part == secret.as_bytes()), "{}", file.display());
        }
    }

    let changed = json_request(&url, &cookie, "another four words").await;
    assert_eq!(changed, 204);
    wait_until(PATIENCE, "the login session ends", async || seen().await == 401).await;
    assert!(sign_in(&url, PASSWORD).await.is_none() && sign_in(&url, "another four words").await.is_some());
    api.wait_for_line("a person signed in", PATIENCE).await.unwrap();
    let log = api.output();
    assert!(!log.contains("four words") && !log.contains(&cookie), "{log}");
}

/// Sets the password by the API, with a cookie as a page would.
async fn json_request(url: &str, cookie: &str, password: &str) -> u16 {
    let request = testbed::http().put(format!("{url}/api/v1/users/maria/password"));
    let request = request.header("cookie", cookie).header("origin", url).header("content-type", "application/json");
    let body = format!("{{\"password\":\"{password}\"}}");
    request.body(body).send().await.unwrap().status().as_u16()
}

/// The cookie of a person who signed in; `None` if the password is wrong.
async fn sign_in(url: &str, password: &str) -> Option<String> {
    // The answer that sets the cookie leads to the page.
    let client = testbed::http_builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let request = client.post(format!("{url}/login")).header("origin", url);
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    let answer = request.body(format!("user=maria&password={}", password.replace(' ', "+"))).send().await.unwrap();
    let set = answer.headers().get("set-cookie")?.to_str().unwrap();
    Some(set.split(';').next().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL: ci/test"]
async fn a_revocation_at_one_summary_api_holds_at_the_others_of_the_ledger_soon() {
    let folder = tempfile::tempdir().unwrap();
    let database = testbed::Postgres::shared().await.unwrap().database().await.unwrap();
    let ledger = [("DWELL_DATABASE_URL", database.as_str())];
    let create = |name: &str| {
        let arguments = ["token", "create", name, "--scopes", "admin,read"];
        done(&dwell(folder.path(), &arguments, &ledger, "")).trim_end().to_owned()
    };
    let (admin, page) = (create("admin"), create("page"));
    let ports = [free_port(), free_port()];
    let start = |port: u16| {
        let program = Program::new(testbed::binary("summary-api").unwrap()).env("DWELL_DATABASE_URL", &database);
        program.env("DWELL_LISTEN", format!("127.0.0.1:{port}")).env("DWELL_ACCESS", "required").start().unwrap()
    };
    let _apis = ports.map(start);
    let urls = ports.map(|port| format!("http://127.0.0.1:{port}"));
    for (port, url) in ports.iter().zip(&urls) {
        ready(*port).await;
        assert_eq!(status(url, &page).await, 200);
    }

    let at = [("DWELL_SUMMARY_API_URL", urls[0].as_str()), ("DWELL_API_TOKEN", admin.as_str())];
    done(&dwell(folder.path(), &["token", "revoke", page.split('_').nth(1).unwrap()], &at, ""));

    assert_eq!(status(&urls[0], &page).await, 401);
    wait_until(PATIENCE, "the other summary API refuses it", async || status(&urls[1], &page).await == 401).await;
    assert_eq!(status(&urls[1], &admin).await, 200);
}
