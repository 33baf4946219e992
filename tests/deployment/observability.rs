//! Prometheus, Loki and Grafana: they look at services that exist, and find each other. What Grafana shows is checked
//! by `dashboards`.

use std::collections::BTreeSet;

use serde_yaml_ng::Value;

use super::{SERVICES, compose, own_services, read};

fn yaml(path: &str) -> Value {
    serde_yaml_ng::from_str(&read(path)).unwrap()
}

#[test]
fn prometheus_scrapes_every_service_where_it_shows_its_metrics() {
    let configuration = yaml("prometheus.yml");
    let compose = compose();
    let mut scraped = BTreeSet::new();
    for job in configuration["scrape_configs"].as_sequence().unwrap() {
        let target = job["static_configs"][0]["targets"][0].as_str().unwrap();
        let (host, port) = target.split_once(':').unwrap();
        assert_eq!(job["job_name"].as_str(), Some(host));
        assert_eq!(job["metrics_path"].as_str(), Some("/metrics"));
        let service = compose.services.get(host).unwrap_or_else(|| panic!("{target} is no service"));
        if service.program().is_some() {
            assert_eq!(service.metrics_port(), Some(port), "{target}");
        } else {
            assert_eq!(target, "rabbitmq:15692", "the port of the plugin that the image of RabbitMQ has switched on");
        }
        for further in job["dns_sd_configs"].as_sequence().into_iter().flatten() {
            let service = &compose.services[further["names"][0].as_str().unwrap()];
            assert_eq!(service.metrics_port(), further["port"].as_u64().map(|port| port.to_string()).as_deref());
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
fn grafana_finds_prometheus_loki_and_its_dashboards() {
    let compose = compose();
    let grafana = &compose.services["grafana"];
    assert!(
        grafana.volumes.contains(&"./grafana/provisioning/metrics:/etc/grafana/provisioning/datasources:ro".to_owned())
    );
    let prometheus = &yaml("grafana/provisioning/metrics/prometheus.yml")["datasources"][0];
    assert_eq!(prometheus["url"].as_str(), Some("http://prometheus:9090"));
    assert_eq!(prometheus["jsonData"]["timeInterval"], yaml("prometheus.yml")["global"]["scrape_interval"]);
    let loki = &yaml("grafana/provisioning/metrics-and-logs/loki.yml")["datasources"][0];
    assert_eq!(loki["url"].as_str(), Some("http://loki:3100"));
    // As the dashboards name them.
    assert_eq!((prometheus["uid"].as_str(), loki["uid"].as_str()), (Some("dwell-prometheus"), Some("dwell-loki")));
    assert_eq!([&prometheus["isDefault"], &loki["isDefault"]], [&Value::Bool(true), &Value::Bool(false)]);

    let provider = &yaml("grafana/provisioning/dashboards/dwell.yml")["providers"][0];
    let folder = provider["options"]["path"].as_str().unwrap();
    assert!(grafana.volumes.contains(&format!("./grafana/dashboards:{folder}:ro")));
    assert_eq!(grafana.environment["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"], format!("{folder}/service.json"));
}

/// Grafana shows errors for a data source without its server.
#[test]
fn loki_is_a_data_source_only_where_the_operator_asks_for_logs() {
    let files = |folder: &str| super::rules::files(&format!("grafana/provisioning/{folder}"), ".yml");
    assert_eq!(files("metrics").len(), 1);
    assert_eq!(files("metrics-and-logs").len(), 2);
    let prometheus = |folder: &str| read(&format!("grafana/provisioning/{folder}/prometheus.yml"));
    assert_eq!(prometheus("metrics"), prometheus("metrics-and-logs"));
    let documentation = read("docs/containers.md");
    let example = documentation.lines().find(|line| line.contains("GRAFANA_DATA_SOURCES=")).unwrap();
    assert!(example.contains("GRAFANA_DATA_SOURCES=metrics-and-logs"), "{example}");
}

#[test]
fn an_alert_of_each_severity_reaches_a_receiver_and_prometheus_finds_the_alertmanager() {
    let compose = compose();
    let alertmanager = &compose.services["alertmanager"];
    assert!(alertmanager.volumes.contains(&"./deploy/alertmanager:/etc/alertmanager:ro".to_owned()));
    let found = &yaml("prometheus.yml")["alerting"]["alertmanagers"][0]["dns_sd_configs"][0];
    assert_eq!((found["names"][0].as_str(), found["port"].as_u64()), (Some("alertmanager"), Some(9093)));
    assert_eq!(alertmanager.ports, ["127.0.0.1:9093:9093"]);

    let configuration = yaml("deploy/alertmanager/alertmanager.yml");
    let names = |value: &Value| value["name"].as_str().map(str::to_owned);
    let receivers: BTreeSet<_> = configuration["receivers"].as_sequence().unwrap().iter().filter_map(names).collect();
    let routes = configuration["route"]["routes"].as_sequence().unwrap();
    for severity in ["page", "ticket"] {
        let matcher = format!("severity=\"{severity}\"");
        let route = routes.iter().find(|route| route["matchers"][0].as_str() == Some(&matcher));
        let receiver = route.unwrap_or_else(|| panic!("no route for {matcher}"))["receiver"].as_str().unwrap();
        assert!(receivers.contains(receiver), "{receiver}");
    }
    assert!(receivers.contains(configuration["route"]["receiver"].as_str().unwrap()));
    let alerts = read("deploy/prometheus/alerts.rules.yml");
    let text = read("deploy/alertmanager/alertmanager.yml");
    let quoted =
        text.lines().filter_map(|line| line.split_once("alertname")).flat_map(|(_, rest)| rest.split(['"', '|']));
    for name in quoted.filter(|word| word.starts_with(|c: char| c.is_ascii_uppercase())) {
        assert!(alerts.contains(&format!("- alert: {name}\n")), "there is no alert {name}");
    }
}
