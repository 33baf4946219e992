//! The way of a log line: from a container through Alloy to Loki, and onto a dashboard.
//!
//! No container engine and no Loki run where this is tested: the files are only held against each other here. That a
//! line has the fields which Alloy looks for is seen on a real process, by the root's `traces`.

use std::collections::BTreeSet;

use serde_yaml_ng::Value;

use super::{SERVICES, compose, read};

const ALLOY: &str = "deploy/alloy/config.alloy";
const LOKI: &str = "deploy/loki/loki.yml";
/// The labels of a line. Each combination of their values is a stream, so they are few.
const LABELS: [&str; 2] = ["service", "level"];

/// The configuration of Alloy, without comments.
fn alloy() -> String {
    read(ALLOY).lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// What stands between the braces that open after `name`.
fn block<'a>(text: &'a str, name: &str) -> &'a str {
    let (_, rest) = text.split_once(&format!("{name} {{")).unwrap_or_else(|| panic!("there is no {name}"));
    let mut depth = 1;
    let end = rest.find(|c| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        depth == 0
    });
    &rest[..end.unwrap_or_else(|| panic!("{name} is not closed"))]
}

/// The names left of the equals signs.
fn keys(block: &str) -> BTreeSet<&str> {
    block.lines().filter_map(|line| Some(line.split_once(" = ")?.0.trim())).filter(|key| *key != "values").collect()
}

#[test]
fn alloy_and_loki_are_started_with_their_files_and_keep_what_they_write() {
    let compose = compose();
    let has = |service: &str, mount: String| assert!(compose.services[service].volumes.contains(&mount), "{mount}");
    has("alloy", format!("./{ALLOY}:/etc/alloy/config.alloy:ro"));
    has("loki", format!("./{LOKI}:/etc/loki/loki.yml:ro"));
    let loki: Value = serde_yaml_ng::from_str(&read(LOKI)).unwrap();
    has("loki", format!("loki:{}", loki["common"]["path_prefix"].as_str().unwrap()));
    let port = loki["server"]["http_listen_port"].as_u64().unwrap();
    assert!(block(&alloy(), "loki.write \"loki\"").contains(&format!("\"http://loki:{port}/loki/api/v1/push\"")));
    assert_eq!(loki["limits_config"]["allow_structured_metadata"], Value::Bool(true), "a trace is structured metadata");
    assert_eq!(loki["compactor"]["retention_enabled"], Value::Bool(true), "else nothing is ever forgotten");
}

#[test]
fn every_part_of_alloy_hands_its_lines_to_a_part_that_is_there() {
    let configuration = alloy();
    let parts = ["discovery.docker.containers", "discovery.relabel.services", "loki.process.lines", "loki.write.loki"];
    for part in parts {
        let (kind, label) = part.rsplit_once('.').unwrap();
        assert!(configuration.contains(&format!("\n{kind} \"{label}\" {{")), "there is no {part}");
        let uses = ["targets", "output", "receiver"].map(|export| configuration.contains(&format!("{part}.{export}")));
        assert!(uses.contains(&true), "nothing uses {part}");
    }
    let (open, closed) = (configuration.matches('{').count(), configuration.matches('}').count());
    assert_eq!(open, closed);
}

#[test]
fn only_the_logs_of_our_own_services_are_read() {
    let configuration = alloy();
    let rule = block(&configuration, "rule");
    let (_, names) = rule.split_once("(?:extra-)?(").unwrap();
    let (names, _) = names.split_once(')').unwrap();
    assert_eq!(names.split('|').collect::<BTreeSet<_>>(), SERVICES.into());
    assert!(configuration.contains("action        = \"keep\""), "else every container's log is read");
}

#[test]
fn labels_have_few_values_and_the_trace_is_none() {
    let configuration = alloy();
    let labels = keys(block(&configuration, "stage.labels"));
    assert_eq!(labels.union(&["service"].into()).copied().collect::<BTreeSet<_>>(), LABELS.into());
    assert_eq!(keys(block(&configuration, "stage.structured_metadata")), ["trace_id"].into());
}

#[test]
fn panels_of_logs_choose_by_labels_that_lines_have() {
    let panels = super::dashboards::log_expressions();
    assert!(!panels.is_empty());
    for (title, expression) in panels {
        let selector = expression.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        let selector = selector.unwrap_or_else(|| panic!("{title}: {expression} is no selector"));
        for matcher in selector.split(", ") {
            let (label, value) = matcher.split_once("=~").unwrap_or_else(|| panic!("{title}: {matcher}"));
            assert!(LABELS.contains(&label), "{title}: no line has the label {label}");
            assert!(value.len() > 2 && value.starts_with('"') && value.ends_with('"'), "{title}: {matcher}");
        }
    }
}
