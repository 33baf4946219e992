//! The dependencies of this process with their health, and the correlators that report to it.

use maud::{Markup, html};
use parking::Timestamp;
use recorder::DependencyReport;
use service_kit::health::Status as Dependency;
use sessions::{ReportedCorrelator, ScopedService, Wait};

use super::text::{self, Mark, number};

/// The dependencies, each up or down and why.
pub(super) fn list(service: &ScopedService) -> Markup {
    let all = service.health().dependencies();
    html! {
        section aria-labelledby="dependencies" {
            h2 #dependencies { "Dependencies of this process" }
            @if all.is_empty() { p.empty { "None." } } @else {
                ul.dependencies {
                    @for one in all {
                        @let away = match one.status {
                            Dependency::Up => None,
                            Dependency::NotYet => Some("not reached yet".to_owned()),
                            Dependency::Down(reason) => Some(reason),
                        };
                        (dependency(one.name, one.name, one.is_optional, away.as_deref()))
                    }
                }
            }
        }
    }
}

/// A dependency, and why it is down if it is.
fn dependency(key: &str, name: &str, is_optional: bool, away: Option<&str>) -> Markup {
    let mark = match (away, is_optional) {
        (None, _) => Mark::Good,
        (Some(_), true) => Mark::Warn,
        (Some(_), false) => Mark::Bad,
    };
    html! {
        li data-key=(key) {
            (mark) strong { (name) } " " (if away.is_some() { "down" } else { "up" })
            @if is_optional { span.note { " (optional)" } }
            @if let Some(reason) = away { span.reason { (reason) } }
        }
    }
}

/// The problems of the correlators in a few words each: one is silent, one lacks a dependency, or a queue has a
/// consumer that belongs to no reporting correlator.
pub(super) fn matters(correlators: &[ReportedCorrelator], waits_for: &[Wait], now: Timestamp) -> Vec<String> {
    if !correlators.iter().any(|one| one.is_fresh(now)) {
        return vec!["no correlator reports".to_owned()];
    }
    let of_one = |one: &ReportedCorrelator| {
        let name = name(one, correlators);
        if one.is_silent(now) {
            return vec![format!("{name} silent")];
        }
        let lacking = one.status.dependencies.iter().filter(|dependency| dependency.away.is_some());
        lacking.map(|dependency| format!("{name}: {}", dependency.name)).collect()
    };
    let has_strangers = waits_for.iter().any(|wait| matches!(wait, Wait::Strangers { .. }));
    let strangers = has_strangers.then(|| "a consumer of the queues does not report".to_owned());
    correlators.iter().flat_map(of_one).chain(strangers).collect()
}

/// The name of a correlator; numbered unless it is the only one.
fn name(one: &ReportedCorrelator, all: &[ReportedCorrelator]) -> String {
    let id = one.status.correlator.simple().to_string();
    if all.len() == 1 { "correlator".to_owned() } else { format!("correlator {}", &id[..8]) }
}

/// The correlators that report, with their queues and dependencies, and those that the service waits for.
pub(super) fn correlators(all: &[ReportedCorrelator], waits_for: &[Wait], now: Timestamp) -> Markup {
    let has_dependencies = all.iter().any(|one| !one.status.dependencies.is_empty());
    html! {
        section aria-labelledby="correlators" {
            h2 #correlators { "Correlators" }
            @for wait in waits_for.iter().filter(|wait| **wait != Wait::NoCorrelator) {
                p.notice { (Mark::Warn) "Waiting for " (wait) "." }
            }
            @if !all.iter().any(|one| one.is_fresh(now)) {
                p.notice { (Mark::Warn) "No correlator has reported within ten seconds: events wait in their queues." }
            }
            @if !all.is_empty() {
                div.scroll role="group" aria-labelledby="correlators" tabindex="0" {
                    table {
                        caption.hidden { "Correlators that report, and their queues" }
                        thead { tr {
                            th scope="col" { "Correlator" }
                            th.number scope="col" { "Entry queue" }
                            th.number scope="col" { "Exit queue" }
                            th.number scope="col" { "In flight" }
                            th.number scope="col" { "Reported" }
                        } }
                        tbody { @for one in all { (row(one, now)) } }
                    }
                }
                @if has_dependencies {
                    ul.dependencies aria-label="Dependencies of correlators" {
                        @for one in all { @for of_it in &one.status.dependencies { (needed(one, of_it, all)) } }
                    }
                }
            }
        }
    }
}

fn row(one: &ReportedCorrelator, now: Timestamp) -> Markup {
    let known = |ready: Option<u64>| {
        html! {
            @if let Some(ready) = ready { (number(ready)) } @else { span.none { "not known" } }
        }
    };
    html! {
        tr data-key=(one.status.correlator) {
            th scope="row" { code { (one.status.correlator) } }
            td.number { (known(one.status.entry.ready())) }
            td.number { (known(one.status.exit.ready())) }
            td.number { (number(one.status.in_flight())) }
            td.number {
                @if one.is_silent(now) { (Mark::Warn) "silent, " }
                (text::length(now.millis_since(one.reported_at).max(0))) " ago"
            }
        }
    }
}

fn needed(one: &ReportedCorrelator, of_it: &DependencyReport, all: &[ReportedCorrelator]) -> Markup {
    let name = format!("{}: {}", name(one, all), of_it.name);
    let key = format!("{}-{}", one.status.correlator, of_it.name);
    dependency(&key, &name, of_it.is_optional, of_it.away.as_deref())
}

#[cfg(test)]
mod tests {
    use sessions::testing::idle_correlator;

    use super::*;

    fn reported(id: u128, away: Option<&str>, at: i64) -> ReportedCorrelator {
        let mut status = idle_correlator(id << 96);
        let dependency = |name: &str, away| DependencyReport { name: name.to_owned(), is_optional: true, away };
        status.dependencies = vec![dependency("rabbitmq", None), dependency("redis", away.map(str::to_owned))];
        ReportedCorrelator { status, reported_at: Timestamp::from_millis(at) }
    }

    #[test]
    fn what_is_wrong_is_said_by_name_and_of_several_correlators_by_number() {
        let said = |all: &[ReportedCorrelator]| matters(all, &[], Timestamp::from_millis(3_000));
        let well = || reported(1, None, 3_000);
        assert_eq!(said(&[]), ["no correlator reports"]);
        assert_eq!(said(&[well()]), Vec::<String>::new());
        assert_eq!(said(&[reported(1, Some("refused"), 3_000)]), ["correlator: redis"]);
        assert_eq!(said(&[reported(1, None, 0)]), ["correlator silent"]);
        assert_eq!(
            said(&[well(), reported(2, Some("refused"), 3_000), reported(3, Some("refused"), 0)]),
            ["correlator 00000002: redis", "correlator 00000003 silent"]
        );
    }
}
