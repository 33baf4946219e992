//! The documentation says what is: every setting with its default, every metric, and the example of an `.env` file.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use settings::Setting;

use super::rules::files;
use super::{read, root, variables};

/// Texts that look like a metric and are none: members of sessions.
const NO_METRICS: [&str; 1] = ["dwell_seconds"];
/// The metrics that are named by the contract and so do not begin with `dwell_`.
const CONTRACT_METRICS: [&str; 3] = ["matched_events", "unmatched_events", "event_processing_latency_seconds"];

/// The names of all metrics that any service registers, as they stand in the sources.
pub(super) fn registered_metrics() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for folder in
        ["src", "correlator/src", "summary-api/src", "entry-service/src", "exit-service/src", "gateway/src", "crates"]
    {
        collect_metrics(&root().join(folder), &mut names);
    }
    names
}

fn collect_metrics(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "tests" {
            collect_metrics(&path, names);
        } else if path.extension().is_some_and(|extension| extension == "rs") && name != "tests.rs" {
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
            names.extend(code.split('"').filter(|word| is_metric(word)).map(str::to_owned));
        }
    }
}

fn is_metric(word: &str) -> bool {
    let ours = word.strip_prefix("dwell_").is_some_and(|rest| !rest.is_empty());
    let plain = word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    CONTRACT_METRICS.contains(&word) || (ours && plain && !NO_METRICS.contains(&word))
}

/// The table of `docs/configuration.md`, made from the one that the programs read.
fn settings_table() -> String {
    let mut table =
        String::from("| variable | flag | default | allowed | meaning |\n| --- | --- | --- | --- | --- |\n");
    for setting in settings::ALL {
        let Setting { name, help, default, allowed, secret, plates: _, in_file } = setting;
        let default = default.map(|default| format!("`{default}`")).unwrap_or_default();
        let secret = if *secret { " (secret)" } else { "" };
        let file = if *in_file { format!("; or `{name}_FILE`") } else { String::new() };
        writeln!(table, "| `{name}` | `--{}`{file} | {default} | {allowed} | {help}{secret} |", setting.flag())
            .unwrap();
    }
    table
}

#[test]
fn the_table_of_settings_is_that_of_the_programs() {
    let table = settings_table();
    assert!(read("docs/configuration.md").contains(&table), "the table of docs/configuration.md should be\n{table}");
}

#[test]
fn the_example_of_an_env_file_names_every_setting_with_its_default() {
    let text = read(".env.example");
    let named: Vec<_> = text.lines().filter(|line| line.contains(settings::PREFIX)).filter_map(example).collect();
    let expected = settings::ALL.iter().map(|setting| (setting.name, setting.default.unwrap_or_default()));
    assert_eq!(
        named.iter().copied().filter(|(name, _)| name.starts_with(settings::PREFIX)).collect::<BTreeSet<_>>(),
        expected.collect()
    );

    let compose = read("docker-compose.yml");
    let others = variables(&compose).into_iter().filter(|(name, _)| !name.starts_with(settings::PREFIX));
    for (name, default) in others {
        assert!(
            text.lines().filter_map(example).any(|shown| shown == (name, default)),
            "{name} is not in .env.example"
        );
    }
}

/// The name and the value of a line `#NAME=value`, as far as it is one: prose has a blank after the `#`.
fn example(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.strip_prefix('#')?.split_once('=')?;
    name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_').then_some((name, value))
}

#[test]
fn every_metric_is_explained_and_nothing_else_is() {
    let text = read("docs/operations.md");
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `"));
    let explained = rows.filter_map(|row| row.split(['`', '{']).next()).filter(|name| is_metric(name));
    assert_eq!(explained.map(str::to_owned).collect::<BTreeSet<_>>(), registered_metrics());
}

#[test]
fn every_file_that_the_documentation_points_to_exists() {
    let others = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(str::to_owned);
    for file in others.into_iter().chain(files("docs", ".md")) {
        let folder = Path::new(&file).parent().unwrap().to_owned();
        let text = read(&file);
        let links = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
        for link in links.filter(|link| !link.is_empty() && !link.contains("://")) {
            assert!(root().join(&folder).join(link).exists(), "{file} points to {link}");
        }
    }
}

#[test]
#[ignore = "needs Python: ci/test"]
fn the_page_on_performance_is_made_from_its_notes() {
    let output = Command::new("python3").args(["ci/performance-page", "--check"]).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The text of all files below a folder.
fn text_below(folder: &Path) -> String {
    let mut text = String::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            text.push_str(&text_below(&path));
        } else {
            text.push_str(&String::from_utf8_lossy(&std::fs::read(&path).unwrap()));
        }
    }
    text
}

#[test]
fn the_operators_guide_quotes_what_the_page_shows() {
    let page = text_below(&root().join("crates/operator-page/src"));
    // Words of the page stand between single asterisks.
    let guide = read("docs/operators-guide.md").replace("**", "");
    let quoted = guide.split('*').skip(1).step_by(2).map(|words| words.trim_end_matches([' ', '…']));
    let (shown, missing): (Vec<&str>, Vec<&str>) = quoted.partition(|words| page.contains(*words));
    assert!(missing.is_empty(), "the page does not show {missing:?}");
    assert!(shown.len() > 10, "{shown:?}");
}

/// The names of all functions of the workspace's sources.
fn functions(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            functions(&path, names);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let found = text.split("fn ").skip(1).filter_map(|rest| rest.split(['(', '<']).next());
            names.extend(found.map(str::to_owned));
        }
    }
}

#[test]
fn every_test_that_the_guarantees_name_exists() {
    let mut known = BTreeSet::new();
    for folder in ["src", "tests", "correlator", "summary-api", "entry-service", "exit-service", "gateway", "crates"] {
        functions(&root().join(folder), &mut known);
    }
    let text = read("docs/guarantees.md");
    // A test is named by a sentence: three words at least.
    let quoted = text.split('`').skip(1).step_by(2).filter(|quoted| quoted.matches('_').count() >= 3);
    let named: Vec<&str> = quoted.filter(|quoted| !quoted.contains(['=', ' ', '{'])).collect();
    assert!(named.len() > 10, "{named:?}");
    let missing: Vec<_> = named.iter().filter(|name| !known.contains(**name)).collect();
    assert!(missing.is_empty(), "docs/guarantees.md names tests that do not exist: {missing:?}");
    let files = text.split('`').skip(1).step_by(2).filter(|quoted| quoted.starts_with("tests/"));
    let missing: Vec<_> = files.filter(|file| !root().join(file).exists()).collect();
    assert!(missing.is_empty(), "docs/guarantees.md names files that do not exist: {missing:?}");
    let promises = text.split("## What is promised").nth(1).unwrap().split("## What is not promised").next().unwrap();
    for row in promises.lines().filter(|line| line.starts_with("| ")) {
        let shown_by = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        assert!(["shown by", "---"].contains(&shown_by) || shown_by.starts_with('`'), "no test shows: {row}");
    }
}
