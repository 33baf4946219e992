//! `dwell support-bundle` writes one file with a list of what is in it, and no secret and no plate, whatever it is
//! given.

use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output};

use testbed::free_port;

use crate::support::{dwell_alone, first_session};

const SECRETS: [&str; 6] = [
    "canary-of-token",
    "canary-of-amqp",
    "canary/of redis",
    "canary%2Fof%20redis",
    "canary-of-query",
    "canary-of-cookie",
];
const PLATES: [&str; 4] = ["CAN-4711", "can 4711", "CANARY1", "CANARY2"];

fn bundle(folder: &std::path::Path, listen: &str, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dwell"));
    command.arg("support-bundle").args(more).current_dir(folder);
    command.env("DWELL_LISTEN", listen).env("DWELL_DATA_DIR", folder.join("data"));
    let nobody = free_port();
    command
        .env("DWELL_AMQP_URL", format!("amqp://guest:canary-of-amqp@127.0.0.1:{nobody}/%2f"))
        .env("DWELL_REDIS_URL", format!("redis://:canary%2Fof%20redis@127.0.0.1:{nobody}"))
        .env("DWELL_INTERNAL_TOKEN", "canary-of-token-long-enough")
        .env("DWELL_UNREAD_PLATES", "CANARY1,CANARY2")
        .env("DWELL_HOLD", "soon");
    tokio::task::block_in_place(|| command.output().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_lists_its_sections_and_has_no_secret_and_no_plate() {
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    let listen = format!("127.0.0.1:{port}");
    let _dwell = dwell_alone(&folder.path().join("data"), port);
    first_session(&format!("http://{listen}/api/v1/sessions?limit=1")).await;
    let log = "INFO session matched lot=P3\n\
        GET /search?plate=can+4711 200 http://x/?token=canary-of-query\n\
        camera: {\"vehicle_plate\": \"can 4711\"} read CAN-4711\n\
        Cookie: session=canary-of-cookie\n\
        connecting to redis with canary/of redis and Bearer canary-of-token-long-enough\n";
    std::fs::write(folder.path().join("dwell.log"), log).unwrap();

    let ran = bundle(folder.path(), &listen, &["--log-file", "dwell.log", "--output", "bundle.txt", "--timeout", "2s"]);

    assert_eq!(ran.status.code(), Some(0), "{}", String::from_utf8_lossy(&ran.stderr));
    let path = folder.path().join("bundle.txt");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&path).unwrap();
    let contents = text.split("=====").next().unwrap();
    for (section, content) in [
        ("1. versions", "dwell 0."),
        ("2. settings", "DWELL_DRAIN"),
        ("3. doctor", "DWELL_HOLD"),
        ("4. readiness of http://127.0.0.1", "[+]ledger"),
        ("5. metrics of http://127.0.0.1", "dwell_build_info{"),
        ("6. log dwell.log", "session matched lot=P3"),
    ] {
        assert!(contents.contains(section), "{section} is not in the list:\n{contents}");
        let of_section =
            text.split(&format!("===== {section}")).nth(1).unwrap_or_else(|| panic!("{section} is missing"));
        assert!(of_section.split("\n=====").next().unwrap().contains(content), "{section} has no {content}");
    }
    for canary in SECRETS.iter().chain(&PLATES) {
        assert!(!text.contains(canary), "{canary} is in the bundle:\n{text}");
    }

    let again = bundle(folder.path(), &listen, &["--output", "bundle.txt", "--timeout", "2s"]);
    assert_eq!(again.status.code(), Some(1), "a file is overwritten");
    assert!(String::from_utf8_lossy(&again.stderr).contains("bundle.txt can't be written: "));
    let out = bundle(folder.path(), &listen, &["--output", "-", "--timeout", "2s"]);
    assert!(String::from_utf8_lossy(&out.stdout).contains("\n===== 3. doctor =====\n"));
}
