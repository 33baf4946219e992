//! The rules of Prometheus: they are loaded, they count what the services have, and each alert fires when it should and
//! says what to do.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_yaml_ng::Value;

use super::{compose, documentation, read, root};

const RECORDING: &str = "deploy/prometheus/recording.rules.yml";
const ALERTS: &str = "deploy/prometheus/alerts.rules.yml";
const TESTS: &str = "deploy/prometheus/tests";
const PAGES: &str = "docs/runbooks";
/// Where the image of Prometheus has its configuration.
const FOLDER: &str = "/etc/prometheus";
/// What Prometheus itself adds to each target.
const OF_PROMETHEUS: &str = "up";

fn yaml(path: &str) -> Value {
    serde_yaml_ng::from_str(&read(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap_or_else(|| panic!("{value:?} has no {member}"))
}

fn sequence<'a>(value: &'a Value, member: &str) -> impl Iterator<Item = &'a Value> {
    value[member].as_sequence().into_iter().flatten()
}

/// All rules of a file.
fn rules(path: &str) -> Vec<Value> {
    let file = yaml(path);
    let rules: Vec<_> = sequence(&file, "groups").flat_map(|group| sequence(group, "rules")).cloned().collect();
    assert!(!rules.is_empty(), "{path} has no rules");
    rules
}

/// The names of all rules of a kind, `record` or `alert`.
fn names(path: &str, kind: &str) -> BTreeSet<String> {
    rules(path).iter().map(|rule| text(rule, kind).to_owned()).collect()
}

/// The files of a folder with this ending, from the repository's root.
pub(super) fn files(folder: &str, ending: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(root().join(folder)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    names.filter(|name| name.ends_with(ending)).map(|name| format!("{folder}/{name}")).collect()
}

/// All cases of all files of tests.
fn cases() -> Vec<Value> {
    let files = files(TESTS, ".test.yml");
    files.iter().flat_map(|file| sequence(&yaml(file), "tests").cloned().collect::<Vec<_>>()).collect()
}

/// The names of metrics in an expression: what is neither in quotes nor a label, a function or a number.
pub(super) fn metrics(expression: &str) -> BTreeSet<String> {
    let unquoted: String = expression.split('"').step_by(2).collect();
    let words = unquoted.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':');
    let is_metric = |word: &&str| {
        *word == OF_PROMETHEUS
            || word.contains(':')
            || word.starts_with("dwell_")
            || word.starts_with("event_")
            || word.ends_with("_events")
    };
    words.filter(is_metric).map(str::to_owned).collect()
}

/// What an expression may ask for: what the services have, what is recorded of it, and what Prometheus adds.
pub(super) fn known_metrics() -> BTreeSet<String> {
    let mut known = documentation::registered_metrics();
    known.extend(names(RECORDING, "record"));
    known.insert(OF_PROMETHEUS.to_owned());
    known
}

/// Whether there is such a metric, or a histogram that it is a part of.
pub(super) fn is_there(metric: &str, known: &BTreeSet<String>) -> bool {
    let family = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| metric.strip_suffix(suffix));
    known.contains(metric) || family.is_some_and(|family| known.contains(family))
}

/// `BacklogGrowing` is explained on the page `backlog-growing.md`.
fn page(alert: &str) -> String {
    let mut name = String::new();
    for letter in alert.chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('-');
        }
        name.push(letter.to_ascii_lowercase());
    }
    format!("{PAGES}/{name}.md")
}

/// The pages of all alerts.
pub(super) fn alert_pages() -> Vec<String> {
    names(ALERTS, "alert").iter().map(|alert| page(alert)).collect()
}

/// Runs promtool in the root of the repository.
fn promtool(arguments: &[&str]) {
    let output = Command::new("promtool")
        .args(arguments)
        .current_dir(root())
        .output()
        .expect("promtool comes with Debian's package `prometheus`, which ci/test installs");
    let (shown, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "promtool {arguments:?}:\n{shown}\n{errors}");
}

#[test]
fn prometheus_finds_its_rules_in_the_container_as_in_the_repository() {
    let configuration = yaml("prometheus.yml");
    let named: Vec<_> = sequence(&configuration, "rule_files").map(|file| file.as_str().unwrap()).collect();
    assert_eq!(named, [RECORDING, ALERTS]);
    assert_eq!(text(&configuration["global"]["external_labels"], "runbooks"), "${RUNBOOKS_URL}");
    let compose = compose();
    // An operator's value is passed on; without one it is empty.
    assert!(read("docker-compose.yml").contains("RUNBOOKS_URL: \"${RUNBOOKS_URL:-}\""));
    assert_eq!(compose.services["prometheus"].environment["RUNBOOKS_URL"], "");
    let mounts = &compose.services["prometheus"].volumes;
    let folder = Path::new(RECORDING).parent().unwrap().display();
    assert!(mounts.contains(&format!("./prometheus.yml:{FOLDER}/prometheus.yml:ro")));
    assert!(mounts.contains(&format!("./{folder}:{FOLDER}/{folder}:ro")), "{mounts:?}");
}

#[test]
fn rules_name_only_metrics_that_the_services_have() {
    let known = known_metrics();
    for rule in [rules(RECORDING), rules(ALERTS)].concat() {
        let named = metrics(text(&rule, "expr"));
        assert!(!named.is_empty(), "{rule:?} asks for no metric");
        let missing: Vec<_> = named.iter().filter(|metric| !is_there(metric, &known)).collect();
        assert!(missing.is_empty(), "no service has {missing:?} of {rule:?}");
    }
}

/// The link of an alert to its page: below the address that Prometheus is given, else a path in this repository.
fn link(page: &str) -> String {
    let name = page.strip_prefix(PAGES).unwrap();
    format!("{{{{ with $externalLabels.runbooks }}}}{{{{ . }}}}{{{{ else }}}}{PAGES}{{{{ end }}}}{name}")
}

#[test]
fn every_alert_has_a_runbook_page() {
    let mut explained = BTreeSet::from([format!("{PAGES}/README.md")]);
    let index = read(&format!("{PAGES}/README.md"));
    for rule in rules(ALERTS) {
        let name = text(&rule, "alert");
        let annotations = &rule["annotations"];
        let page = page(name);
        assert_eq!(text(annotations, "runbook_url"), link(&page));
        assert!(read(&page).starts_with(&format!("# {name}\n")), "{page} is about something else");
        let file = page.rsplit('/').next().unwrap();
        assert!(index.contains(&format!("[{name}]({file})")), "{name} is not in the index");
        assert!(!text(annotations, "summary").is_empty(), "{name}");
        assert!(text(annotations, "description").contains("$value"), "{name} does not tell its value");
        assert!(["page", "ticket"].contains(&text(&rule["labels"], "severity")), "{name}");
        explained.insert(page);
    }
    assert_eq!(files(PAGES, ".md"), explained, "a page is about no alert");
}

#[test]
fn runbook_pages_point_to_what_exists_and_ask_only_for_metrics_that_there_are() {
    let known = known_metrics();
    for file in files(PAGES, ".md") {
        let page = read(&file);
        let links = page.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
        for link in links.filter(|link| !link.is_empty() && !link.contains("://")) {
            assert!(root().join(PAGES).join(link).exists(), "{file} points to {link}");
        }
        // Addresses and prose have colons too, so the levels tell what is recorded.
        let is_ours = |word: &String| {
            let begins = ["dwell_", "pipeline:", "queue:", "job:"].iter().any(|begin| word.starts_with(begin));
            begins && !word.ends_with(':')
        };
        for metric in page.lines().flat_map(metrics).filter(is_ours) {
            assert!(is_there(&metric, &known), "{file}: there is no {metric}");
        }
    }
}

#[test]
fn every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() {
    let (mut fires, mut does_not) = (BTreeSet::new(), BTreeSet::new());
    for case in cases() {
        for expected in sequence(&case, "alert_rule_test") {
            let is_quiet = sequence(expected, "exp_alerts").next().is_none();
            let seen = if is_quiet { &mut does_not } else { &mut fires };
            seen.insert(text(expected, "alertname").to_owned());
        }
    }
    let alerts = names(ALERTS, "alert");
    assert_eq!((&fires, &does_not), (&alerts, &alerts));
}

#[test]
fn every_recorded_number_has_a_value_in_a_test() {
    let cases = cases();
    let asked = cases.iter().flat_map(|case| sequence(case, "promql_expr_test"));
    let tested: BTreeSet<_> = asked.flat_map(|asked| metrics(text(asked, "expr"))).collect();
    let recorded = names(RECORDING, "record");
    assert_eq!(recorded.difference(&tested).collect::<Vec<_>>(), Vec::<&String>::new());
}

#[test]
#[ignore = "needs Prometheus: ci/test"]
fn prometheus_accepts_its_configuration_and_its_rules() {
    promtool(&["check", "config", "--lint=all", "--lint-fatal", "prometheus.yml"]);
    promtool(&["check", "rules", "--lint=all", "--lint-fatal", RECORDING, ALERTS]);
}

#[test]
#[ignore = "needs Prometheus: ci/test"]
fn every_alert_fires_when_it_should_and_not_else() {
    let files = files(TESTS, ".test.yml");
    let arguments: Vec<_> = ["test", "rules"].into_iter().chain(files.iter().map(String::as_str)).collect();
    promtool(&arguments);
}
