//! The house: who may use whom, and which library stands where.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

mod border;
mod siblings;

/// The production sources of every package, by package folder.
fn sources() -> BTreeMap<&'static str, Vec<PathBuf>> {
    let packages = [
        "src",
        "entry-service",
        "exit-service",
        "gateway",
        "correlator",
        "summary-api",
        "crates/parking",
        "crates/matching",
        "crates/access",
        "crates/camera-formats",
        "crates/judging",
        "crates/ledger",
        "crates/ledger-stores",
        "crates/sessions",
        "crates/api",
        "crates/operator-page",
        "crates/web-api",
        "crates/webhooks",
        "crates/recorder",
        "crates/bus",
        "crates/event-files",
        "crates/replay",
        "crates/simulator",
        "crates/settings",
        "crates/service-kit",
        "crates/redis-cache",
        "crates/tls",
        "crates/build-identity",
    ];
    let folder = |package: &str| if package == "src" { root().join(package) } else { root().join(package).join("src") };
    packages.into_iter().map(|package| (package, rust_files(&folder(package)))).collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// The files, relative to the root, whose text has one of `needles`.
fn files_with(needles: &[&str]) -> BTreeSet<String> {
    let files = sources().into_values().flatten();
    let has = |path: &PathBuf| {
        let text = std::fs::read_to_string(path).unwrap();
        needles.iter().any(|needle| text.contains(needle))
    };
    files.filter(has).map(|path| path.strip_prefix(root()).unwrap().to_string_lossy().into_owned()).collect()
}

fn outside(files: &BTreeSet<String>, allowed: impl Fn(&str) -> bool) -> Vec<&String> {
    files.iter().filter(|file| !allowed(file)).collect()
}

#[test]
fn lapin_stands_only_in_the_bus() {
    let files = files_with(&["use lapin", "lapin::"]);
    assert!(!files.is_empty());
    assert_eq!(outside(&files, |file| file.starts_with("crates/bus/")), Vec::<&String>::new());
}

#[test]
fn rumqttc_stands_only_in_the_gateways_bridge() {
    let files = files_with(&["use rumqttc", "rumqttc::"]);
    assert!(!files.is_empty());
    assert_eq!(outside(&files, |file| file.starts_with("gateway/src/mqtt/")), Vec::<&String>::new());
}

#[test]
fn tonic_stands_only_in_the_gateways_grpc() {
    let files = files_with(&["use tonic", "tonic::", "tonic_health::", "prost_types::"]);
    assert!(!files.is_empty());
    assert_eq!(outside(&files, |file| file.starts_with("gateway/src/grpc/")), Vec::<&String>::new());
}

#[test]
fn redis_stands_only_in_its_crate_and_in_adapters_of_that_name() {
    let files = files_with(&["use ::redis", "use redis::", "redis::aio", "redis::cmd"]);
    let may_use =
        |file: &str| file.starts_with("crates/redis-cache/") || file.ends_with("/redis.rs") || file.contains("/redis/");
    assert!(!files.is_empty());
    assert_eq!(outside(&files, may_use), Vec::<&String>::new());
}

#[test]
fn sql_stands_only_in_the_databases_of_the_ledger() {
    let files = files_with(&["rusqlite::", "tokio_postgres::", "INSERT INTO"]);
    assert!(!files.is_empty());
    assert_eq!(
        outside(&files, |file| file.starts_with("crates/ledger-stores/") || file == "crates/ledger/src/sqlite.rs"),
        Vec::<&String>::new()
    );
}

#[test]
fn maud_stands_only_in_the_operators_page() {
    let files = files_with(&["maud::"]);
    assert!(!files.is_empty());
    assert_eq!(outside(&files, |file| file.starts_with("crates/operator-page/")), Vec::<&String>::new());
}

/// The views are GraphQL's objects: a second struct for each would repeat all their fields. Only the web API asks for
/// that.
#[test]
fn graphql_stands_only_with_the_views_and_the_schema() {
    let files = files_with(&["async_graphql"]);
    assert!(!files.is_empty());
    let rooms = ["crates/api/src/views/", "crates/api/src/graphql/", "crates/web-api/src/graphql/"];
    assert_eq!(outside(&files, |file| rooms.iter().any(|room| file.starts_with(room))), Vec::<&String>::new());
    let manifest = |package: &&str| {
        let folder = if *package == "src" { root().to_owned() } else { root().join(package) };
        std::fs::read_to_string(folder.join("Cargo.toml")).unwrap()
    };
    let asking = sources().into_keys().filter(|package| manifest(package).contains("\napi.features = [\"graphql\"]"));
    assert_eq!(asking.collect::<Vec<_>>(), ["crates/web-api"]);
}

#[test]
fn routes_are_described_only_in_the_web_api() {
    let files = files_with(&["utoipa_axum", "utoipa::path"]);
    assert!(!files.is_empty());
    assert_eq!(outside(&files, |file| file.starts_with("crates/web-api/")), Vec::<&String>::new());
}

/// The root starts the summary API, checks its configuration, and opens its ledger when it does not run.
#[test]
fn the_root_names_only_the_entries_of_the_summary_api() {
    let entries = ["Config", "FurtherRoutes", "TASK", "offline", "run", "start"];
    let mut named = BTreeSet::new();
    for path in &sources()["src"] {
        let text = std::fs::read_to_string(path).unwrap();
        // The check of the same name in `dwell doctor` stands in its own file.
        let of_doctor = text.contains("\nmod summary_api;");
        for (at, name) in text.match_indices("summary_api::") {
            let rest = &text[at + name.len()..];
            let end = rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(rest.len());
            if !of_doctor || text[..at].ends_with("::") {
                named.insert(rest[..end].to_owned());
            }
        }
    }
    assert!(named.contains("start"));
    assert_eq!(outside(&named, |name| entries.contains(&name)), Vec::<&String>::new());
}

#[test]
fn ledger_and_sessions_know_no_http() {
    let files = files_with(&["axum::"]);
    assert!(!files.is_empty());
    assert_eq!(
        outside(&files, |file| !file.starts_with("crates/ledger") && !file.starts_with("crates/sessions/")),
        Vec::<&String>::new()
    );
}

#[test]
fn the_matching_core_knows_no_runtime_no_clock_and_no_wire() {
    let files =
        files_with(&["tokio", "async fn", "SystemTime", "Instant::now", "tracing::", "/internal", "application/"]);
    assert_eq!(outside(&files, |file| !file.starts_with("crates/matching/")), Vec::<&String>::new());
}

/// They have their own threads: a caller with a runtime uses a blocking task.
#[test]
fn reading_files_and_replaying_them_know_no_runtime() {
    let files = files_with(&["tokio", "async fn"]);
    let is_blocking = |file: &str| file.starts_with("crates/event-files/") || file.starts_with("crates/replay/");
    assert_eq!(outside(&files, |file| !is_blocking(file)), Vec::<&String>::new());
}

/// Which of our packages a package may use, itself left out.
const MAY_USE: &[(&str, &[&str])] = &[
    ("crates/parking", &[]),
    ("crates/matching", &["parking"]),
    ("crates/access", &["parking"]),
    ("crates/camera-formats", &["parking"]),
    ("crates/judging", &["parking"]),
    ("crates/ledger", &["access", "matching", "parking"]),
    ("crates/ledger-stores", &["access", "ledger", "matching", "parking", "tls"]),
    ("crates/event-files", &["parking"]),
    ("crates/replay", &["event-files", "matching", "parking"]),
    ("crates/settings", &["parking"]),
    ("crates/tls", &["parking", "settings"]),
    ("crates/service-kit", &["parking", "settings", "tls"]),
    ("crates/build-identity", &["service-kit"]),
    ("crates/redis-cache", &["service-kit", "settings", "tls"]),
    ("crates/recorder", &["matching", "parking", "service-kit", "settings", "tls"]),
    ("crates/sessions", &["access", "ledger", "matching", "parking", "recorder", "service-kit"]),
    ("crates/api", &["access", "ledger", "matching", "parking", "recorder", "sessions"]),
    ("crates/operator-page", &["api", "ledger", "matching", "parking", "recorder", "service-kit", "sessions"]),
    ("crates/webhooks", &["access", "api", "ledger", "parking", "service-kit", "sessions", "tls"]),
    ("crates/bus", &["service-kit", "settings", "tls"]),
    ("crates/simulator", &["bus", "parking", "service-kit", "settings"]),
    ("entry-service", &["build-identity", "parking", "simulator"]),
    ("exit-service", &["build-identity", "parking", "simulator"]),
    ("gateway", &["access", "build-identity", "bus", "camera-formats", "parking", "service-kit", "settings", "tls"]),
    (
        "correlator",
        &["build-identity", "bus", "matching", "parking", "recorder", "redis-cache", "service-kit", "settings"],
    ),
    (
        "crates/web-api",
        &[
            "access",
            "api",
            "ledger",
            "matching",
            "operator-page",
            "parking",
            "recorder",
            "redis-cache",
            "service-kit",
            "sessions",
            "settings",
            "webhooks",
        ],
    ),
    (
        "summary-api",
        &[
            "access",
            "build-identity",
            "ledger",
            "ledger-stores",
            "parking",
            "service-kit",
            "sessions",
            "settings",
            "web-api",
            "webhooks",
        ],
    ),
];

/// What is slow to compile - HTML, GraphQL, descriptions of routes - does not wait for a change in a database's
/// adapter.
#[test]
fn only_the_programs_name_the_databases_of_the_ledger() {
    let naming = MAY_USE.iter().filter(|(_, uses)| uses.contains(&"ledger-stores")).map(|(package, _)| *package);
    assert_eq!(naming.collect::<Vec<_>>(), ["summary-api"]);
}

#[test]
fn packages_use_only_what_stands_below_them() {
    let ours: BTreeSet<&str> =
        MAY_USE.iter().map(|(package, _)| package.rsplit('/').next().unwrap()).chain(["dwell", "testbed"]).collect();
    for (package, allowed) in MAY_USE {
        let manifest = std::fs::read_to_string(root().join(package).join("Cargo.toml")).unwrap();
        let dependencies = manifest.split("[dependencies]").nth(1).unwrap().split("\n[").next().unwrap();
        let used: BTreeSet<&str> =
            dependencies.lines().filter_map(|line| line.split('.').next()).filter(|name| ours.contains(name)).collect();
        let allowed: BTreeSet<&str> = allowed.iter().copied().collect();
        assert_eq!(
            used.difference(&allowed).collect::<Vec<_>>(),
            Vec::<&&str>::new(),
            "{package} uses what stands beside or above it"
        );
    }
}

/// A package that is missing there is optimised, which takes longer than its tests gain.
#[test]
fn the_profile_of_the_tests_names_every_package_of_ours() {
    let text = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let profile = text.split("[profile.ci.package]\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let named: BTreeSet<&str> = profile.lines().filter_map(|line| line.split(" = ").next()).collect();
    let lock = std::fs::read_to_string(root().join("Cargo.lock")).unwrap();
    let ours = lock.split("[[package]]\n").skip(1).filter(|package| !package.contains("\nsource = "));
    let ours: BTreeSet<&str> = ours.filter_map(|package| package.split('"').nth(1)).collect();
    assert_eq!(named, ours);
}

/// A package of the workspace has no source in Cargo.lock. Where another package shares its name, `cargo -p NAME` is
/// ambiguous.
#[test]
fn no_package_of_ours_shares_its_name_with_another_one() {
    let lock = std::fs::read_to_string(root().join("Cargo.lock")).unwrap();
    let packages: Vec<&str> = lock.split("[[package]]\n").skip(1).collect();
    let name = |package: &&str| package.lines().next().unwrap().to_owned();
    let ours: BTreeSet<String> = packages.iter().filter(|package| !package.contains("\nsource = ")).map(name).collect();
    let mut packages_by_name = BTreeMap::<String, usize>::new();
    for package in &packages {
        *packages_by_name.entry(name(package)).or_default() += 1;
    }

    let shared: Vec<&String> = ours.iter().filter(|name| packages_by_name[*name] > 1).collect();

    assert!(ours.contains("name = \"dwell\""), "no package of ours was found in Cargo.lock");
    assert_eq!(shared, Vec::<&String>::new());
}

#[test]
fn the_architecture_shows_who_may_use_whom() {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let section = text.split("### Who may use whom\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let shown: Vec<&str> = section.lines().filter(|line| line.starts_with("| `")).collect();

    let quoted = |names: &[&str]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let row = |(package, uses): &(&str, &[&str])| {
        let uses = if uses.is_empty() { "none".to_owned() } else { quoted(uses) };
        format!("| `{package}` | {uses} |")
    };
    assert_eq!(shown, MAY_USE.iter().map(row).collect::<Vec<_>>());
}

/// Cargo unifies the features that all packages ask for, so a missing one shows only when a package is built alone.
#[test]
fn a_package_whose_tests_pause_time_asks_tokio_for_it_itself() {
    let mut pausing = 0;
    for (package, files) in sources() {
        let pauses = |path: &PathBuf| {
            let text = std::fs::read_to_string(path).unwrap();
            ["start_paused", "time::pause()", "time::advance("].iter().any(|needle| text.contains(needle))
        };
        if !files.iter().any(pauses) {
            continue;
        }
        pausing += 1;
        let folder = if package == "src" { root().to_owned() } else { root().join(package) };
        let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        let of_tests = manifest.split("[dev-dependencies]").nth(1).unwrap_or_default().split("\n[").next().unwrap();
        assert!(of_tests.contains("\"test-util\""), "the dev-dependencies of {package} lack test-util of tokio");
    }
    assert!(pausing > 0);
}

#[test]
fn every_file_says_what_it_is_for_and_fits_a_sitting() {
    const LINES_MAX: usize = 500;
    for path in sources().into_values().flatten() {
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("//!"), "{} does not say what it is for", path.display());
        assert!(text.lines().count() <= LINES_MAX, "{} has more than {LINES_MAX} lines", path.display());
    }
}
