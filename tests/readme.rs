//! What the README and the page on the API say: their commands are run as they stand there, on a running `dwell`.

use std::process::Command;
use std::time::Duration;

use testbed::{Program, free_port};

use crate::support::{dwell_alone, ready};

const README: &str = include_str!("../README.md");
const API: &str = include_str!("../docs/api.md");

/// The commands of the indented blocks that begin with `curl`, each with its continuation lines.
fn curls(text: &str) -> Vec<String> {
    let mut commands: Vec<String> = Vec::new();
    let mut goes_on = false;
    for line in text.lines().filter_map(|line| line.strip_prefix("    ")) {
        if goes_on {
            commands.last_mut().unwrap().push_str(line.trim_end_matches('\\'));
        } else if line.starts_with("curl ") {
            commands.push(line.trim_end_matches('\\').to_owned());
        }
        goes_on = line.ends_with('\\') && (goes_on || line.starts_with("curl "));
    }
    commands
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs curl: ci/test"]
async fn every_curl_of_the_documentation_answers() {
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    let _dwell = dwell_alone(folder.path(), port);
    ready(port).await;
    let (readme, api) = (curls(README), curls(API));
    assert!(readme.len() >= 3 && api.len() >= 4, "{readme:?} {api:?}");
    for curl in readme.into_iter().chain(api) {
        let here = curl.replace("localhost:5000", &format!("127.0.0.1:{port}"));
        let run =
            || Command::new("sh").arg("-c").arg(format!("{here} --fail-with-body --silent --max-time 10")).output();
        let ran = tokio::task::block_in_place(run).unwrap();
        let answer = String::from_utf8_lossy(&ran.stdout);
        assert!(ran.status.success(), "{curl}: {answer}");
        if curl.contains("save_summary") {
            assert!(
                answer.contains("\"message\":\"Summary saved successfully\"") && answer.contains("90000"),
                "{answer}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_transcript_is_what_a_first_run_prints() {
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    let mut dwell = Program::new(testbed::binary("dwell").unwrap())
        .env("DWELL_LISTEN", format!("127.0.0.1:{port}"))
        .current_dir(folder.path())
        .start()
        .unwrap();
    dwell.wait_for_line("Ctrl-C stops", Duration::from_secs(30)).await.unwrap();
    let printed = dwell.output().replace(&format!(":{port}"), ":5000");
    let example = README
        .lines()
        .find_map(|line| line.strip_prefix("    Dwell ")?.strip_suffix(": which exit belongs to which entry"));
    let printed = printed.replace(&build_identity::BUILD.to_string(), example.unwrap());
    let shown = README.lines().filter_map(|line| line.strip_prefix("    "));
    let banner: Vec<&str> =
        shown.skip_while(|line| !line.starts_with("Dwell ")).take_while(|line| !line.starts_with("INFO")).collect();
    assert!(banner.len() > 10, "{banner:?}");
    for line in banner {
        assert!(printed.lines().any(|one| one.trim_end() == line.trim_end()), "{line:?} is not printed:\n{printed}");
    }
}
