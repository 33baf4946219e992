//! Prometheus and Grafana: they look at services that exist, for metrics that exist, with the fixed expressions.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{SERVICES, compose, documentation, own_services, read};

/// The two expressions that users have in their own dashboards: they work unchanged, for ever.
const FIXED_EXPRESSIONS: [&str; 2] = [
    "rate(event_processing_latency_seconds_sum[5m]) / rate(event_processing_latency_seconds_count[5m])",
    "histogram_quantile(0.99, rate(event_processing_latency_seconds_bucket[5m]))",
];

fn dashboard() -> Value {
    serde_json::from_str(&read("grafana/dashboards/dwell.json")).unwrap()
}

fn panels(dashboard: &Value) -> &[Value] {
    dashboard["panels"].as_array().unwrap()
}

fn targets(panel: &Value) -> impl Iterator<Item = &Value> {
    panel["targets"].as_array().unwrap().iter()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

/// Every expression of the dashboard with the title of its panel, its variables filled in as Grafana does.
pub(super) fn expressions() -> Vec<(String, String)> {
    let dashboard = dashboard();
    let of_panel = |panel: &Value| {
        let title = text(&panel["title"]).to_owned();
        targets(panel).map(|target| (title.clone(), text(&target["expr"]).to_owned())).collect::<Vec<_>>()
    };
    let filled_in = |expression: String| expression.replace("$__rate_interval", "1m").replace("$lot", ".+");
    panels(&dashboard)
        .iter()
        .flat_map(of_panel)
        .map(|(title, expression)| (title, filled_in(expression)))
        .inspect(|(title, expression)| assert!(!expression.contains('$'), "{title}: {expression}"))
        .collect()
}

#[test]
fn prometheus_scrapes_all_four_services_where_they_listen() {
    let configuration: serde_yaml_ng::Value = serde_yaml_ng::from_str(&read("prometheus.yml")).unwrap();
    let compose = compose();
    let mut scraped = BTreeSet::new();
    for job in configuration["scrape_configs"].as_sequence().unwrap() {
        let target = job["static_configs"][0]["targets"][0].as_str().unwrap();
        let (host, port) = target.split_once(':').unwrap();
        assert_eq!(job["job_name"].as_str(), Some(host));
        assert_eq!(job["metrics_path"].as_str(), Some("/metrics"));
        let service = compose.services.get(host).unwrap_or_else(|| panic!("{target} is no service"));
        if service.program().is_some() {
            assert_eq!(service.port(), Some(port), "{target}");
        } else {
            assert_eq!(target, "rabbitmq:15692", "the port of the plugin that the image of RabbitMQ has switched on");
        }
        for further in job["dns_sd_configs"].as_sequence().into_iter().flatten() {
            let service = &compose.services[further["names"][0].as_str().unwrap()];
            assert_eq!(service.port(), further["port"].as_u64().map(|port| port.to_string()).as_deref());
        }
        scraped.insert(host);
    }
    assert!(scraped.is_superset(&SERVICES.into()), "{scraped:?}");
    assert_eq!(own_services(&compose).into_keys().collect::<BTreeSet<_>>(), SERVICES.into());
}

#[test]
fn nothing_takes_the_classic_buckets_away() {
    let configuration = read("prometheus.yml");
    let settings = configuration.lines().filter(|line| !line.trim_start().starts_with('#'));
    assert!(!settings.into_iter().any(|line| line.contains("native") || line.contains("nhcb")));
}

#[test]
fn grafana_finds_prometheus_and_its_dashboards() {
    let sources: serde_yaml_ng::Value =
        serde_yaml_ng::from_str(&read("grafana/provisioning/datasources/prometheus.yml")).unwrap();
    let configuration: serde_yaml_ng::Value = serde_yaml_ng::from_str(&read("prometheus.yml")).unwrap();
    let source = &sources["datasources"][0];
    assert_eq!(source["url"].as_str(), Some("http://prometheus:9090"));
    assert_eq!(source["jsonData"]["timeInterval"], configuration["global"]["scrape_interval"]);

    let provider: serde_yaml_ng::Value =
        serde_yaml_ng::from_str(&read("grafana/provisioning/dashboards/dwell.yml")).unwrap();
    let folder = provider["providers"][0]["options"]["path"].as_str().unwrap();
    let grafana = &compose().services["grafana"];
    assert!(grafana.volumes.contains(&format!("./grafana/dashboards:{folder}:ro")));
    assert_eq!(grafana.environment["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"], format!("{folder}/dwell.json"));

    let uid = source["uid"].as_str().unwrap();
    let dashboard = dashboard();
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let users = panels(&dashboard).iter().chain(panels(&dashboard).iter().flat_map(targets)).chain(variables);
    for user in users {
        assert_eq!(user["datasource"]["uid"].as_str(), Some(uid), "{user}");
    }
}

#[test]
fn the_first_two_panels_are_the_two_fixed_expressions() {
    let dashboard = dashboard();
    let first: Vec<_> = panels(&dashboard)[..2]
        .iter()
        .map(|panel| targets(panel).map(|target| text(&target["expr"])).collect::<Vec<_>>())
        .collect();
    assert_eq!(first, FIXED_EXPRESSIONS.map(|expression| vec![expression]));
}

#[test]
fn every_panel_says_what_it_shows_and_in_which_unit() {
    let dashboard = dashboard();
    assert_eq!((text(&dashboard["uid"]), dashboard["schemaVersion"].as_u64()), ("dwell", Some(39)));
    assert_eq!(dashboard["id"], Value::Null, "a dashboard from a file has no id of its own");
    let mut ids = BTreeSet::new();
    for panel in panels(&dashboard) {
        let title = text(&panel["title"]);
        assert!(text(&panel["description"]).ends_with('.'), "{title} has no description");
        assert!(!text(&panel["fieldConfig"]["defaults"]["unit"]).is_empty(), "{title} has no unit");
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title} has the id of another panel");
    }
    let titles: Vec<_> = panels(&dashboard).iter().map(|panel| text(&panel["title"])).collect();
    assert_eq!(
        titles[..7],
        [
            "Latency of an event, mean",
            "Latency of an event, p99",
            "Exits matched and unmatched",
            "Events in",
            "Queue depth",
            "Dwell in $lot",
            "Inside now",
        ]
    );
}

#[test]
fn the_dashboard_asks_only_for_metrics_that_a_service_has() {
    let registered = documentation::registered_metrics();
    for (title, expression) in expressions() {
        let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let metrics =
            words.filter(|word| word.starts_with("dwell_") || word.contains("_events") || word.starts_with("event_"));
        for metric in metrics {
            let family = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| metric.strip_suffix(suffix));
            assert!(
                registered.contains(metric) || family.is_some_and(|family| registered.contains(family)),
                "{title}: no service has the metric {metric}"
            );
        }
    }
}
