//! The dashboards: linked with each other, explained, and asking only for what there is.
//!
//! Whether each panel has a number is seen by `rehearsal`, on a real Prometheus. Panels of logs are only looked at
//! here: no Loki runs where this is tested.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

use super::documentation::registered_metrics;
use super::rules::{alert_pages, is_there, known_metrics, metrics};
use super::{read, root};

/// The two expressions that users have in their own dashboards: they work unchanged, for ever.
const FIXED_EXPRESSIONS: [&str; 2] = [
    "rate(event_processing_latency_seconds_sum[5m]) / rate(event_processing_latency_seconds_count[5m])",
    "histogram_quantile(0.99, rate(event_processing_latency_seconds_bucket[5m]))",
];
/// Queries of panels that may have no number, by title and legend, and why.
const MAY_BE_EMPTY: [(&str, &str, &str); 5] = [
    ("Alerts now", "", "nothing is wrong in the rehearsal"),
    ("Unmatched share, compared with the week", "mean of the week", "it is recorded once a minute; promtool tests it"),
    ("Unmatched share, compared with the week", "a week ago", "it is there a week after the start; promtool tests it"),
    ("In-memory cache size", "{{instance}}", "the compose file has Redis"),
    ("In-memory cache size", "limit", "the compose file has Redis"),
];
/// Metrics that no panel shows, and why.
const WITHOUT_A_PANEL: [(&str, &str); 13] = [
    (
        "dwell_answer_cache_errors_total",
        "there only with Redis, and requests are shown by what the cache did, errors too",
    ),
    ("dwell_lookup_build_duration_seconds", "there only where vehicles are looked up, once an hour at most"),
    (
        "dwell_lookup_duration_seconds",
        "there only where vehicles are looked up, and the requests of its route are shown",
    ),
    ("dwell_lookup_entries", "there only where vehicles are looked up; those inside are shown"),
    ("dwell_lookup_index_bytes", "there only where vehicles are looked up; the memory of the process is shown"),
    ("dwell_lookup_lots", "there only where vehicles are looked up"),
    ("dwell_publish_batch_events_max", "nobody sets it, and the simulators' own lag is shown"),
    ("dwell_summaries_saved_total", "the requests of its route are shown"),
    ("dwell_tls_certificate_expiry_timestamp_seconds", "there only with TLS"),
    ("dwell_tls_handshakes_failed_total", "there only with TLS, and clients log why"),
    ("dwell_tls_reloads_total", "there only with TLS, and the log says why one was refused"),
    ("dwell_trace_spans_total", "there only with DWELL_OTLP_ENDPOINT, and the log says when spans are lost"),
    ("dwell_upcoming_events", "how the simulator works, and nothing that anybody waits for"),
];
/// What Grafana fills in by itself, and with what it is filled in here.
const BUILT_IN: [(&str, &str); 2] = [("__rate_interval", "1m"), ("__range", "15m")];
/// What stands for all values of a variable.
const ALL: &str = ".+";
const LOKI: &str = "dwell-loki";

/// A question to Prometheus, with its variables filled in.
#[derive(Debug)]
pub(super) struct Asked {
    /// Dashboard and panel, for messages.
    pub(super) by: String,
    pub(super) expression: String,
    pub(super) may_be_empty: bool,
}

/// All dashboards, by the name of their file.
fn dashboards() -> BTreeMap<String, Value> {
    let folder = root().join("grafana/dashboards");
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names
        .map(|name| (name.clone(), serde_json::from_str(&read(&format!("grafana/dashboards/{name}"))).unwrap()))
        .collect()
}

fn list<'a>(value: &'a Value, member: &str) -> impl Iterator<Item = &'a Value> {
    value[member].as_array().unwrap_or_else(|| panic!("no list {member} in {value}")).iter()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

/// All panels, those of closed rows too; the rows themselves are headings.
fn panels(dashboard: &Value) -> Vec<&Value> {
    let outer = list(dashboard, "panels");
    outer.flat_map(|panel| if panel["type"] == "row" { list(panel, "panels").collect() } else { vec![panel] }).collect()
}

fn variables(dashboard: &Value) -> impl Iterator<Item = &Value> {
    list(&dashboard["templating"], "list")
}

/// The names behind every `$` of a text.
fn named_variables(text: &str) -> BTreeSet<String> {
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let names = text.split('$').skip(1).map(|rest| rest.trim_start_matches('{'));
    names.map(|rest| rest.split(|c| !is_of_name(c)).next().unwrap_or_default().to_owned()).collect()
}

/// An expression as Grafana sends it when all values of each variable are chosen.
fn filled_in(expression: &str, dashboard: &Value) -> String {
    let own = variables(dashboard).map(|variable| (text(&variable["name"]), ALL));
    let filled = BUILT_IN
        .into_iter()
        .chain(own)
        .fold(expression.to_owned(), |expression, (name, value)| expression.replace(&format!("${name}"), value));
    assert!(!filled.contains('$'), "{expression}");
    filled
}

/// What every panel and every variable asks Prometheus, and every annotation, which has no answer on a good day.
pub(super) fn questions() -> Vec<Asked> {
    let mut questions = Vec::new();
    for (file, dashboard) in dashboards() {
        let asked = |name: &str, expression: &str, may_be_empty| Asked {
            by: format!("{file}: {name}"),
            expression: filled_in(expression, &dashboard),
            may_be_empty,
        };
        for panel in panels(&dashboard).into_iter().filter(|panel| panel["type"] != "logs") {
            let title = text(&panel["title"]);
            questions.extend(list(panel, "targets").map(|target| {
                let legend = target["legendFormat"].as_str().unwrap_or_default();
                let may_be_empty = MAY_BE_EMPTY.iter().any(|(panel, series, _)| (*panel, *series) == (title, legend));
                asked(title, text(&target["expr"]), may_be_empty)
            }));
        }
        for variable in variables(&dashboard).filter(|variable| variable["type"] == "query") {
            let (series, label) = values_of(text(&variable["definition"]));
            questions.push(asked(text(&variable["name"]), &format!("count by ({label}) ({series})"), false));
        }
        for annotation in list(&dashboard["annotations"], "list").filter(|annotation| annotation["expr"].is_string()) {
            questions.push(asked(text(&annotation["name"]), text(&annotation["expr"]), true));
        }
    }
    questions
}

/// What every panel of logs asks Loki, with its variables filled in, by title.
pub(super) fn log_expressions() -> Vec<(String, String)> {
    let mut expressions = Vec::new();
    for dashboard in dashboards().values() {
        for panel in panels(dashboard).into_iter().filter(|panel| panel["type"] == "logs") {
            assert_eq!(text(&panel["datasource"]["uid"]), LOKI);
            let asked = list(panel, "targets").map(|target| filled_in(text(&target["expr"]), dashboard));
            expressions.extend(asked.map(|expression| (text(&panel["title"]).to_owned(), expression)));
        }
    }
    expressions
}

/// The series and the label of `label_values(series, label)`.
fn values_of(definition: &str) -> (&str, &str) {
    let inside = definition.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')'));
    inside.and_then(|inside| inside.rsplit_once(", ")).unwrap_or_else(|| panic!("{definition}"))
}

#[test]
#[ignore = "needs Python: ci/test"]
fn the_files_are_those_that_their_sources_make() {
    let output = Command::new("python3").args(["grafana/make", "--check"]).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn three_dashboards_are_linked_with_each_other_and_keep_their_addresses() {
    let found: BTreeMap<_, _> =
        dashboards().into_iter().map(|(file, dashboard)| (file, text(&dashboard["uid"]).to_owned())).collect();
    let expected = ["car-park", "internals", "service"].map(|name| (format!("{name}.json"), format!("dwell-{name}")));
    assert_eq!(found, expected.into());

    for (file, dashboard) in dashboards() {
        assert_eq!(dashboard["id"], Value::Null, "{file}: a dashboard from a file has no id of its own");
        assert_eq!(dashboard["tags"], serde_json::json!(["dwell"]), "{file}");
        assert_eq!((dashboard["schemaVersion"].as_u64(), dashboard["graphTooltip"].as_u64()), (Some(39), Some(1)));
        let links = list(&dashboard, "links").filter(|link| link["type"] == "dashboards");
        let kept: Vec<_> = links.map(|link| (&link["tags"], &link["includeVars"], &link["keepTime"])).collect();
        assert_eq!(kept, [(&dashboard["tags"], &Value::Bool(true), &Value::Bool(true))], "{file}");
    }
}

#[test]
fn the_first_two_panels_are_the_two_fixed_expressions_and_the_third_has_all_correlators_together() {
    let dashboards = dashboards();
    let panels = panels(&dashboards["service.json"]);
    let expressions = |panel: &Value| list(panel, "targets").map(|target| text(&target["expr"]).to_owned()).collect();
    let first: Vec<Vec<String>> = panels[..2].iter().map(|panel| expressions(panel)).collect();
    assert_eq!(first, FIXED_EXPRESSIONS.map(|expression| vec![expression.to_owned()]));
    let together: Vec<String> = expressions(panels[2]);
    assert!(together.iter().all(|expression| expression.contains("sum by (le)")), "{together:?}");
}

#[test]
fn every_panel_says_what_it_shows_in_which_unit_and_what_its_emptiness_means() {
    for (file, dashboard) in dashboards() {
        let mut ids = BTreeSet::new();
        for panel in panels(&dashboard).into_iter().chain(list(&dashboard, "panels").filter(|row| row["type"] == "row"))
        {
            assert!(ids.insert(panel["id"].as_u64().unwrap()), "{file}: two panels have the id of {}", panel["title"]);
        }
        for panel in panels(&dashboard) {
            let (title, defaults) = (text(&panel["title"]), &panel["fieldConfig"]["defaults"]);
            assert!(text(&panel["description"]).ends_with('.'), "{file}: {title} has no description");
            assert!(!text(&defaults["unit"]).is_empty(), "{file}: {title} has no unit");
            assert!(!text(&defaults["noValue"]).is_empty(), "{file}: {title} is blank without data");
        }
    }
}

#[test]
fn panels_stand_side_by_side_and_not_upon_each_other() {
    for (file, dashboard) in dashboards() {
        let mut taken = BTreeSet::new();
        for panel in panels(&dashboard) {
            let at = |member: &str| panel["gridPos"][member].as_u64().unwrap();
            let cells = (at("x")..at("x") + at("w")).flat_map(|x| (at("y")..at("y") + at("h")).map(move |y| (x, y)));
            for (x, y) in cells {
                assert!(x < 24 && taken.insert((x, y)), "{file}: {} is in the way at {x}, {y}", panel["title"]);
            }
        }
    }
}

#[test]
fn every_variable_is_used_and_every_used_one_is_there() {
    for (file, dashboard) in dashboards() {
        let there: BTreeSet<_> = variables(&dashboard).map(|variable| text(&variable["name"]).to_owned()).collect();
        let (mut asked, built_in) = (BTreeSet::new(), BUILT_IN.map(|(name, _)| name.to_owned()));
        for panel in panels(&dashboard) {
            for target in list(panel, "targets") {
                assert_eq!(panel["datasource"], target["datasource"], "{file}: {}", panel["title"]);
                asked.extend(named_variables(text(&target["expr"])));
                asked.extend(named_variables(text(&target["datasource"]["uid"])));
            }
        }
        assert_eq!(asked.difference(&built_in.into()).cloned().collect::<BTreeSet<_>>(), there, "{file}");
    }
}

#[test]
fn the_dashboards_ask_only_for_metrics_that_there_are() {
    let known = known_metrics();
    for Asked { by, expression, .. } in questions() {
        let missing: Vec<_> = metrics(&expression).into_iter().filter(|metric| !is_there(metric, &known)).collect();
        assert!(missing.is_empty(), "{by}: there is no {missing:?}");
    }
}

#[test]
fn every_metric_is_on_a_panel_unless_nobody_would_look() {
    let shown: BTreeSet<_> = questions().iter().flat_map(|asked| metrics(&asked.expression)).collect();
    let is_shown = |metric: &String| {
        shown.contains(metric) || ["_bucket", "_count"].iter().any(|part| shown.contains(&format!("{metric}{part}")))
    };
    let missing: BTreeSet<_> = registered_metrics().into_iter().filter(|metric| !is_shown(metric)).collect();
    assert_eq!(missing, WITHOUT_A_PANEL.map(|(metric, _)| metric.to_owned()).into());
}

#[test]
fn what_an_alert_is_about_is_on_a_panel_that_names_its_runbook() {
    let mut named = BTreeSet::new();
    for (file, dashboard) in dashboards() {
        for panel in panels(&dashboard) {
            let words = text(&panel["description"]).split([' ', ',', ';', ':', '(', ')']);
            let pages = words.filter(|word| word.starts_with("docs/")).map(|word| word.trim_end_matches('.'));
            for page in pages {
                assert!(root().join(page).exists(), "{file}: {} points to {page}", panel["title"]);
                named.insert(page.to_owned());
            }
        }
    }
    let missing: Vec<_> = alert_pages().into_iter().filter(|page| !named.contains(page)).collect();
    assert_eq!(missing, Vec::<String>::new());
}

#[test]
fn a_number_has_colours_whose_values_rise() {
    for (file, dashboard) in dashboards() {
        for panel in panels(&dashboard) {
            let (title, steps) = (text(&panel["title"]), &panel["fieldConfig"]["defaults"]["thresholds"]["steps"]);
            let is_coloured = ["stat", "bargauge"].contains(&text(&panel["type"]));
            assert!(!is_coloured || steps.is_array(), "{file}: {title} has no thresholds");
            if let Some(steps) = steps.as_array() {
                let values: Vec<_> = steps.iter().map(|step| step["value"].as_f64()).collect();
                assert!(values[0].is_none() && values[1..].iter().all(Option::is_some), "{file}: {title}: {values:?}");
                assert!(values.is_sorted(), "{file}: {title}: {values:?}");
                assert!(steps.iter().all(|step| step["color"].is_string()), "{file}: {title}: {steps:?}");
            }
        }
    }
}

#[test]
fn whatever_may_be_empty_is_there() {
    let dashboards = dashboards();
    let series: BTreeSet<_> = dashboards
        .values()
        .flat_map(panels)
        .flat_map(|panel| list(panel, "targets").map(|target| (text(&panel["title"]), target["legendFormat"].as_str())))
        .collect();
    for (panel, legend, reason) in MAY_BE_EMPTY {
        assert!(series.contains(&(panel, Some(legend))), "{panel}, {legend} ({reason}) is in no dashboard");
    }
}
