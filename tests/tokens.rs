//! `dwell token` makes and revokes tokens that the summary API accepts within seconds, and the commands send them.

use std::process::{Command, Output};

use testbed::{Program, free_port, wait_until};

use crate::support::{PATIENCE, ready};

fn dwell(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let program = testbed::binary("dwell").unwrap();
    Command::new(program).args(arguments).envs(variables.iter().copied()).output().unwrap()
}

fn made(arguments: &[&str]) -> String {
    let ran = dwell(&[&["token", "create"], arguments].concat(), &[]);
    assert_eq!(ran.status.code(), Some(0), "{}", String::from_utf8_lossy(&ran.stderr));
    let token = String::from_utf8(ran.stdout).unwrap().trim_end().to_owned();
    assert!(!String::from_utf8_lossy(&ran.stderr).contains(&token), "the token is in the log");
    token
}

/// The id is the part between the two underscores.
fn id(token: &str) -> &str {
    token.split('_').nth(1).unwrap().get(..8).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_with_a_made_token_get_in_until_it_is_revoked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.toml");
    let file = ["--tokens-file", path.to_str().unwrap()];
    let reader = made(&[&["page", "--scopes", "read,read_plate", "--expires", "90d"], &file[..]].concat());
    let port = free_port();
    let _api = Program::new(testbed::binary("summary-api").unwrap())
        .env("DWELL_DATA_DIR", folder.path())
        .env("DWELL_LISTEN", format!("127.0.0.1:{port}"))
        .env("DWELL_ACCESS", "required")
        .env("DWELL_TOKENS_FILE", &path)
        .start()
        .unwrap();
    ready(port).await;
    let secret = folder.path().join("reader");
    std::fs::write(&secret, format!("{reader}\n")).unwrap();
    let url = format!("http://127.0.0.1:{port}");
    let export = |variables: &[(&str, &str)]| dwell(&["export", "--api", &url, "--sessions", "-"], variables);
    let with = [("DWELL_API_TOKEN_FILE", secret.to_str().unwrap())];

    let refused = export(&[]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("401"), "{refused:?}");
    assert_eq!(export(&with).status.code(), Some(0));
    let listed = String::from_utf8(dwell(&[&["token", "list"], &file[..]].concat(), &[]).stdout).unwrap();
    assert!(
        listed.contains(id(&reader)) && listed.contains("read,read_plate") && !listed.contains(&reader),
        "{listed}"
    );

    // A second token stays valid when the first one is revoked.
    let correlator = made(&[&["correlator", "--scopes", "record"], &file[..]].concat());
    let revoked = dwell(&[&["token", "revoke", id(&reader)], &file[..]].concat(), &[]);
    assert_eq!(revoked.status.code(), Some(0), "{revoked:?}");
    wait_until(PATIENCE, "the token is refused", async || export(&with).status.code() == Some(1)).await;
    let verified = dwell(&["verify", "--api", &url], &[("DWELL_API_TOKEN", &correlator)]);
    assert_eq!(verified.status.code(), Some(0), "{verified:?}");
}

#[test]
fn a_request_that_makes_no_sense_leaves_the_file_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.toml");
    let file = ["--tokens-file", path.to_str().unwrap()];
    let token = made(&[&["page", "--scopes", "read,read_plate"], &file[..]].concat());
    let before = std::fs::read_to_string(&path).unwrap();

    for (words, code, said) in [
        (["token", "create", "x", "--scopes", "read_plate"].as_slice(), 1, "read_plate without read"),
        (&["token", "create", "x", "--scopes", "write"], 2, "is not a scope"),
        (&["token", "create", "x", "--scopes", "record", "--of-lots", "P3"], 1, "holds for all lots"),
        (&["token", "revoke", "k3v9x2ma"], 1, "no token has the id"),
        (&["token", "revoke", &token], 2, "is not a token's id"),
    ] {
        let ran = dwell(&[words, &file[..]].concat(), &[]);
        let told = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert_eq!(ran.status.code(), Some(code), "{words:?}: {told}");
        assert!(told.contains(said), "{words:?}: {told}");
    }
    // A flag that names a ledger means this ledger, not the file that a setting names.
    let nowhere = folder.path().join("nowhere");
    let elsewhere = ["token", "list", "--data-dir", nowhere.to_str().unwrap()];
    let ran = dwell(&elsewhere, &[("DWELL_TOKENS_FILE", path.to_str().unwrap())]);
    assert_eq!(ran.status.code(), Some(69), "{ran:?}");
    assert!(String::from_utf8_lossy(&ran.stderr).contains("there is no ledger here") && !nowhere.exists(), "{ran:?}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), before);
}
