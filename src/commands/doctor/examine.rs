//! Chooses the checks of `dwell doctor`, and runs them concurrently.
//!
//! A check that needs a setting with an invalid value is skipped: with the default in its place, it would report on a
//! server that nobody named.

use std::path::Path;
use std::time::Duration;

use ::summary_api::Config;
use bus::BusConfig;
use futures::future::{BoxFuture, FutureExt as _, join_all, ready};
use redis_cache::SCHEMES;
use settings::{
    AMQP_URL, ANSWER_CACHE, API_TOKEN, DATA_DIR, DATABASE_URL, INTERNAL_TOKEN, LISTEN, LOTS, MQTT_CLIENT_ID,
    MQTT_TOPICS, MQTT_URL, OF_QUEUES, OTLP_ENDPOINT, REDIS_URL, SUMMARY_API_URL, Setting, Settings, redact,
};
use tls::Connector;
use url::Url;

use super::configuration::Looked;
use super::finding::Finding;
use super::{
    address, certificate, configuration, ledger, machine, mqtt, own_clock, rabbitmq, redis, summary_api as api_check,
};
use crate::commands::api_client;

/// The settings by which an MQTT broker is reached; topics are in the file of lots too.
const OF_MQTT: &[&Setting] = &[&MQTT_URL, &MQTT_CLIENT_ID, &MQTT_TOPICS, &LOTS];

/// The checks to run.
type Checks<'a> = Vec<BoxFuture<'a, Vec<Finding>>>;

/// Checks everything that the settings name.
pub(super) async fn examine(looked: &Looked, timeout: Duration) -> Vec<Finding> {
    let (settings, wrong) = (&looked.settings, &looked.wrong);
    let parts = Config::read(settings).and_then(|api| Ok((api, BusConfig::from_settings("dwell", settings)?)));
    let (api, bus) = match parts {
        Ok(parts) => parts,
        Err(error) => return vec![Finding::ok("settings", "").is_wrong(error.to_string(), "dwell validate")],
    };
    let usable = Usable { settings, wrong, timeout, has_tls: looked.has_tls() };
    let mut findings = usable.skipped();
    let mut is_running = false;
    if usable.has(&[&LISTEN]) {
        let (port, is_ours) = machine::port(&api.listen, usable.has_tls).await;
        findings.push(port);
        is_running = is_ours;
    }
    findings.extend(certificate::check(settings));
    let mut checks = usable.own_parts(&api, &bus, is_running);
    checks.extend(usable.servers(&api, bus));
    checks.extend(usable.running(&api, is_running));
    findings.extend(join_all(checks).await.into_iter().flatten());
    findings
}

/// The settings, and which of them can be relied on.
struct Usable<'a> {
    settings: &'a Settings,
    wrong: &'a [&'a Setting],
    timeout: Duration,
    /// Whether the ports have TLS.
    has_tls: bool,
}

impl<'a> Usable<'a> {
    /// Whether none of these has an invalid value.
    fn has(&self, needed: &[&Setting]) -> bool {
        !needed.iter().any(|setting| self.wrong.contains(setting))
    }

    /// The TLS of the servers; without the files that can't be used, which are reported as settings.
    fn connector(&self) -> Connector {
        Connector::from_settings(self.settings).unwrap_or_default()
    }

    /// A warning for each check that can't run.
    fn skipped(&self) -> Vec<Finding> {
        let checks: [(&str, &[&Setting]); 9] = [
            ("port", &[&LISTEN]),
            ("data folder", &[&DATA_DIR]),
            (rabbitmq::SUBJECT, OF_QUEUES),
            (mqtt::SUBJECT, OF_MQTT),
            (redis::SUBJECT, &[&REDIS_URL]),
            (redis::SUBJECT, &[&ANSWER_CACHE]),
            (ledger::SUBJECT, &[&DATABASE_URL, &DATA_DIR]),
            (api_check::SUBJECT, &[&SUMMARY_API_URL, &API_TOKEN, &INTERNAL_TOKEN]),
            ("traces", &[&OTLP_ENDPOINT]),
        ];
        let skipped = |(subject, needed): (&str, &[&Setting])| {
            let names: Vec<&str> =
                needed.iter().filter(|setting| self.wrong.contains(setting)).map(|setting| setting.name).collect();
            // Without brokers or another summary API there is nothing to skip.
            let is_named = match subject {
                rabbitmq::SUBJECT => !self.has(&[&AMQP_URL]) || self.settings.text(&AMQP_URL).is_some(),
                mqtt::SUBJECT => !self.has(&[&MQTT_URL]) || self.settings.text(&MQTT_URL).is_some(),
                api_check::SUBJECT => !self.has(&[&SUMMARY_API_URL]) || self.settings.text(&SUMMARY_API_URL).is_some(),
                _ => true,
            };
            (is_named && !names.is_empty()).then(|| {
                let cause = format!("not checked, because of {}", names.join(" and "));
                Finding::ok(subject, "").warns(cause, "correct the setting, and run dwell doctor again")
            })
        };
        checks.into_iter().filter_map(skipped).collect()
    }

    /// The checks of the data folder and of the ledger.
    fn own_parts<'c>(&self, api: &'c Config, bus: &BusConfig, is_running: bool) -> Checks<'c>
    where
        'a: 'c,
    {
        let mut checks: Checks<'c> = Vec::new();
        let has_own_queues = self.has(&[&AMQP_URL]) && bus.url.is_none();
        let has_own_ledger = self.has(&[&DATABASE_URL]) && api.embedded_ledger().is_some();
        let folder = self.settings.text(&DATA_DIR).filter(|_| self.has(&[&DATA_DIR]));
        if let Some(folder) = folder.filter(|_| has_own_queues || has_own_ledger) {
            checks.push(async move { machine::data_folder(Path::new(folder), is_running) }.boxed());
        }
        let is_there = api.embedded_ledger().is_none_or(|file| file.exists());
        if is_there && self.has(&[&DATABASE_URL, &DATA_DIR]) {
            let (url, rules) = (api.database_url(), &api.rules);
            let place = (ledger::SUBJECT, url.to_string(), &DATABASE_URL);
            let connector = self.connector();
            let check = async move { ledger::check(&url, &connector, rules, is_running).await };
            checks.push(within(self.timeout, place, check.boxed()));
        }
        checks
    }

    /// The checks of RabbitMQ, an MQTT broker, Redis and the collector of traces.
    fn servers(&self, api: &Config, bus: BusConfig) -> Checks<'a> {
        let (timeout, settings) = (self.timeout, self.settings);
        let mut checks: Checks<'a> = Vec::new();
        if let Some(url) = bus.url.clone().filter(|_| self.has(OF_QUEUES)) {
            let place = (rabbitmq::SUBJECT, url.to_string(), &AMQP_URL);
            checks.push(within(timeout, place, async move { rabbitmq::check(&url, &bus).await }.boxed()));
        }
        if let Some(broker) = configuration::mqtt(settings).ok().flatten().filter(|_| self.has(OF_MQTT)) {
            let place = (mqtt::SUBJECT, broker.url().to_string(), &MQTT_URL);
            checks.push(within(timeout, place, async move { vec![mqtt::check(&broker).await] }.boxed()));
        }
        let of_timelines = settings.url(&REDIS_URL, &SCHEMES).ok().flatten().map(|url| (url, &REDIS_URL));
        let of_answers = api.answer_redis().map(|url| (url.clone(), &ANSWER_CACHE));
        for (url, setting) in of_timelines.into_iter().chain(of_answers).filter(|(_, setting)| self.has(&[setting])) {
            let place = (redis::SUBJECT, url.to_string(), setting);
            let connector = self.connector();
            let check = async move { redis::check(&url, setting, timeout, &connector).await };
            checks.push(within(timeout, place, check.boxed()));
        }
        if let Some(url) = settings.text(&OTLP_ENDPOINT) {
            checks.push(collector(url, timeout, self.connector()).boxed());
        }
        checks
    }

    /// The checks of services of ours: the one that listens here, and the summary API.
    fn running(&self, api: &Config, is_running: bool) -> Checks<'a> {
        let (timeout, settings) = (self.timeout, self.settings);
        let mut checks: Checks<'a> = Vec::new();
        let url =
            settings.url(&SUMMARY_API_URL, &["http", "https"]).ok().flatten().filter(|_| self.has(&[&SUMMARY_API_URL]));
        let scheme = if self.has_tls { "https" } else { "http" };
        let (here, place) = (format!("{scheme}://{}", api.listen.as_seen_from_here()), api.listen.to_string());
        // The check of a summary API includes its clock.
        let is_named = url.as_ref().is_some_and(|url| url.expose().trim_end_matches('/') == here);
        let reader = api_client::token(settings).ok().flatten();
        if is_running
            && !is_named
            && let Ok(client) = api_client::once_here(timeout)
        {
            // With TLS the service is not verified, so it gets no token.
            let own = reader.clone().filter(|_| !self.has_tls);
            checks.push(
                async move { own_clock::check(&format!("the service at {place}"), &here, own.as_ref(), &client).await }
                    .boxed(),
            );
        }
        if let Some(url) = url.filter(|_| self.has(&[&API_TOKEN, &INTERNAL_TOKEN])) {
            let token = api_client::token_of_correlators(settings).ok().flatten();
            match api_client::once(url.expose(), timeout, &self.connector()) {
                Ok(client) => checks.push(
                    async move { api_check::check(&url, token.as_ref(), reader.as_ref(), &client).await }.boxed(),
                ),
                Err(reason) => checks.push(ready(vec![api_check::unusable(&url, &reason)]).boxed()),
            }
        }
        checks
    }
}

/// The result of the check, or that it timed out.
fn within<'a>(
    timeout: Duration,
    (subject, url, setting): (&'static str, String, &'static Setting),
    check: BoxFuture<'a, Vec<Finding>>,
) -> BoxFuture<'a, Vec<Finding>> {
    async move {
        tokio::time::timeout(timeout, check).await.unwrap_or_else(|_| {
            let cause = format!("no answer within {}", humantime::format_duration(timeout));
            let fix = address::unreachable("it", &url, setting.name);
            vec![Finding::ok(subject, url).fails(cause, fix)]
        })
    }
    .boxed()
}

/// Checks whether the collector of spans is reachable, with TLS if its address asks for it. Without it only spans are
/// lost.
async fn collector(url: &str, timeout: Duration, connector: Connector) -> Vec<Finding> {
    let seen = Finding::ok("traces", redact(url));
    let place = address::host_and_port(url);
    let (host, port) = place.split_once(' ').unwrap_or(("", "0"));
    let has_tls = Url::parse(url).is_ok_and(|url| url.scheme() == "https");
    let connecting = async {
        let socket = tokio::net::TcpStream::connect((host, port.parse().unwrap_or(0))).await?;
        if has_tls { connector.connect(host, socket).await.map(drop) } else { Ok(()) }
    };
    let said = match tokio::time::timeout(timeout, connecting).await {
        Ok(Ok(())) => return vec![seen],
        Ok(Err(error)) => error.to_string(),
        Err(_) => "no answer in time".to_owned(),
    };
    let otherwise = address::unreachable("the collector", url, OTLP_ENDPOINT.name);
    let (cause, fix) = address::of_tls(&said, otherwise);
    vec![seen.warns(format!("the collector is unreachable, so spans are lost: {cause}"), fix)]
}
