//! The workflow of GitHub: it runs the checks of this repository, builds and starts the containers, and keeps what a
//! tag builds.
//!
//! No runner of GitHub and no container engine run where this is tested: the file is only compared with the scripts and
//! the Dockerfile that it uses.

use serde_yaml_ng::Value;

use super::{SERVICES, compose, read, root};

const WORKFLOW: &str = ".github/workflows/ci.yml";

fn workflow() -> Value {
    serde_yaml_ng::from_str(&read(WORKFLOW)).unwrap()
}

fn job(name: &str) -> Value {
    workflow()["jobs"][name].clone()
}

/// The members of a job's steps with this name, in order.
fn steps(job: &Value, member: &str) -> Vec<String> {
    let steps = job["steps"].as_sequence().unwrap();
    steps.iter().filter_map(|step| step[member].as_str()).map(str::to_owned).collect()
}

#[test]
fn the_checks_are_those_of_the_repository_on_the_pinned_toolchain() {
    let checks = job("checks");
    assert!(steps(&checks, "run").contains(&".ci/run".to_owned()));
    let image = checks["container"]["image"].as_str().unwrap();
    assert!(read("Dockerfile").contains(&format!("ARG RUST_IMAGE={image}\n")), "{image} is not that of the Dockerfile");
}

#[test]
fn the_containers_are_built_started_and_tested_and_their_logs_shown_on_a_failure() {
    let containers = job("containers");
    let runs = steps(&containers, "run");
    let at = |command: &str| runs.iter().position(|run| run.starts_with(command)).expect(command);
    assert!(at("docker compose build") < at("docker compose up --detach --wait"));
    assert!(at("docker compose up --detach --wait") < at("ci/smoke"));
    assert!(runs.concat().contains("docker compose logs"));
    for argument in compose().services["summary-api"].build.as_ref().unwrap().args.keys() {
        assert!(runs.concat().contains(&format!("echo \"{argument}=")), "the image is built without {argument}");
    }
}

#[test]
fn only_the_job_that_keeps_a_tag_may_write_and_it_waits_for_the_others() {
    assert_eq!(workflow()["permissions"]["contents"].as_str(), Some("read"));
    let release = job("release");
    assert_eq!(release["permissions"]["contents"].as_str(), Some("write"));
    assert_eq!(release["if"].as_str(), Some("startsWith(github.ref, 'refs/tags/v')"));
    let needs: Vec<_> = release["needs"].as_sequence().unwrap().iter().filter_map(Value::as_str).collect();
    assert_eq!(needs, ["checks", "containers"]);
    for name in ["checks", "containers"] {
        assert!(job(name)["permissions"].is_null(), "{name}");
    }
    let runs = steps(&job("containers"), "run").concat();
    assert!(runs.contains("docker save dwell") && runs.contains("docker cp \"$container:/usr/local/bin/.\""), "{runs}");
}

#[test]
fn every_action_has_a_version_and_every_job_an_end() {
    let workflow = workflow();
    for (name, job) in workflow["jobs"].as_mapping().unwrap() {
        assert!(job["timeout-minutes"].is_u64(), "{name:?}");
        for action in steps(job, "uses") {
            let version = action.split_once("@v").unwrap_or_else(|| panic!("{action} has no version")).1;
            assert!(version.starts_with(|c: char| c.is_ascii_digit()), "{action}");
        }
    }
}

#[test]
fn the_smoke_test_asks_every_service_where_it_shows_its_health() {
    let compose = compose();
    let smoke = read("ci/smoke");
    let checked = smoke.lines().find_map(|line| line.trim().strip_prefix("for service in ")).unwrap();
    let checked: Vec<&str> = checked.trim_end_matches("; do").split(' ').collect();
    let expected = SERVICES.map(|name| {
        let service = &compose.services[name];
        format!("{}:{}", service.container_name.as_deref().unwrap(), service.metrics_port().unwrap())
    });
    let sorted = |mut names: Vec<String>| {
        names.sort_unstable();
        names
    };
    assert_eq!(sorted(checked.into_iter().map(str::to_owned).collect()), sorted(expected.into()));
    let is_executable =
        std::os::unix::fs::PermissionsExt::mode(&root().join("ci/smoke").metadata().unwrap().permissions());
    assert!(is_executable & 0o111 != 0, "ci/smoke can't be run");
}
