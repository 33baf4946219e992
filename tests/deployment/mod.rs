//! The files that deploy the system agree with each other, with the programs and with the documentation.
//!
//! Here is what all of these tests read: the compose file, merged and with its variables filled in, and the workspace.
//! Nothing here starts a container; `rehearsal` starts the programs themselves as the compose file says.

// Without this, clippy takes the helpers of these tests for production code.
#![cfg(test)]

mod compose;
mod dashboards;
mod documentation;
mod image;
mod logs;
mod observability;
mod rehearsal;
mod rules;
mod workflow;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_yaml_ng::Value;

/// The folders of the services that the compose file runs, each a package with a program of its name.
const SERVICES: [&str; 5] = ["entry-service", "exit-service", "gateway", "correlator", "summary-api"];
/// Where programs are in the image.
const PROGRAMS: &str = "/usr/local/bin/";

/// The compose file, as far as these tests look at it.
#[derive(Debug, Deserialize)]
struct Compose {
    services: BTreeMap<String, Service>,
    volumes: BTreeMap<String, Value>,
}

/// One service of the compose file. What a service does not say is empty.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Service {
    image: String,
    build: Option<Build>,
    container_name: Option<String>,
    hostname: Option<String>,
    profiles: Vec<String>,
    restart: String,
    read_only: bool,
    cap_drop: Vec<String>,
    cap_add: Vec<String>,
    user: Option<String>,
    mem_limit: Option<String>,
    pids_limit: Option<u32>,
    security_opt: Vec<String>,
    stop_grace_period: Option<String>,
    entrypoint: Vec<String>,
    environment: BTreeMap<String, String>,
    ports: Vec<String>,
    volumes: Vec<String>,
    depends_on: BTreeMap<String, Need>,
    healthcheck: Healthcheck,
}

#[derive(Debug, Deserialize)]
struct Build {
    context: String,
    args: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
struct Need {
    condition: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Healthcheck {
    test: Vec<String>,
}

impl Service {
    /// The program of ours that the container runs, if it is one of ours.
    fn program(&self) -> Option<&str> {
        self.entrypoint.first()?.strip_prefix(PROGRAMS)
    }

    /// The port on which one of ours shows its metrics.
    fn metrics_port(&self) -> Option<&str> {
        self.listens(&settings::METRICS_LISTEN).or_else(|| self.listens(&settings::LISTEN))
    }

    /// All ports that one of ours listens on.
    fn listening_ports(&self) -> impl Iterator<Item = &str> {
        [&settings::LISTEN, &settings::METRICS_LISTEN, &settings::GRPC_LISTEN]
            .into_iter()
            .filter_map(|setting| self.listens(setting))
    }

    fn listens(&self, setting: &settings::Setting) -> Option<&str> {
        self.environment.get(setting.name)?.strip_prefix("0.0.0.0:")
    }
}

/// The compose file as compose sees it when no variable is set.
fn compose() -> Compose {
    let mut document: Value = serde_yaml_ng::from_str(&filled_in(&read("docker-compose.yml"))).unwrap();
    // A merged mapping may itself hold a merge, which one pass leaves.
    let mut before = Value::Null;
    while before != document {
        before = document.clone();
        document.apply_merge().unwrap();
    }
    serde_yaml_ng::from_value(document).unwrap()
}

/// The services of our own image that run all the time: not the commands, not the further correlator.
fn own_services(compose: &Compose) -> BTreeMap<&str, &Service> {
    let own = |service: &Service| service.program().is_some() && service.profiles.is_empty();
    compose
        .services
        .iter()
        .filter(|(_, service)| own(service))
        .map(|(name, service)| (name.as_str(), service))
        .collect()
}

/// `${NAME:-default}` becomes the default.
fn filled_in(text: &str) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (variable, after) = after.split_once('}').expect("a variable that is opened is closed");
        let (_, default) = variable.split_once(":-").unwrap_or_else(|| panic!("${{{variable}}} has no default"));
        filled.extend([before, default]);
        rest = after;
    }
    filled + rest
}

/// The names of the variables in `${…}`, with their defaults.
fn variables(text: &str) -> BTreeSet<(&str, &str)> {
    text.split("${").skip(1).filter_map(|rest| rest.split_once('}')?.0.split_once(":-")).collect()
}

/// The folders of all packages but the root's, as the workspace has them.
fn member_folders() -> Vec<String> {
    let crates = std::fs::read_dir(root().join("crates")).unwrap();
    let mut folders: Vec<_> = crates
        .map(|entry| entry.unwrap().path())
        .filter(|folder| folder.join("Cargo.toml").exists())
        .map(|folder| format!("crates/{}", folder.file_name().unwrap().display()))
        .chain(SERVICES.map(str::to_owned))
        .collect();
    folders.sort();
    folders
}

/// A file of the repository.
fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}
