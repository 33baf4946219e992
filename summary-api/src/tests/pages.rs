//! The operator's page over a real ledger: complete, escaped, equal to the API, and served while the ledger is down.

mod hostile;
mod notices;
mod searching;
mod timeline;
mod times;
mod truth;

use std::sync::Arc;

use axum::http::{Method, header};
use parking::{Lots, Rules};
use recorder::{BrokerCounts, CorrelatorStatus, DependencyReport, QueueReport};
use service_kit::ServiceContext;
use sessions::Service;
use sessions::testing::{BrokenLedger, How, Vehicles, idle_correlator, minute};

use super::{Answer, Api, request, send};
use web_api::Authenticator;

const BROWSER: [(&str, &str); 1] = [("accept", "text/html,application/xhtml+xml,*/*;q=0.8")];

async fn open(api: &Api, path: &str) -> Answer {
    send(&api.router, request(Method::GET, path, &BROWSER, "")).await
}

/// What the form of the search finds.
async fn search(api: &Api, typed: &str) -> Answer {
    let headers = [BROWSER[0], ("content-type", "application/x-www-form-urlencoded")];
    let form = url::form_urlencoded::Serializer::new(String::new()).append_pair("plate", typed).finish();
    send(&api.router, request(Method::POST, "/search", &headers, form)).await
}

/// At P3: a matched stay, an open one, a vehicle that entered twice, an exit without an entry.
async fn parked() -> Api {
    let api = Api::new().await;
    let mut vehicles = Vehicles::default();
    for unit in [
        vehicles.entry("P3", "OVER1", minute(0)),
        vehicles.exit("P3", "OVER1", minute(107)),
        vehicles.entry("P3", "INSIDE1", minute(30)),
        vehicles.entry("P3", "TWICE1", minute(40)),
        vehicles.entry("P3", "TWICE1", minute(50)),
        vehicles.exit("P3", "LEFT1", minute(60)),
    ] {
        api.fixture.record(vec![unit]).await;
    }
    api
}

fn is_page(answer: &Answer, path: &str) {
    let text = answer.text();
    assert_eq!(answer.header(header::CONTENT_TYPE), "text/html; charset=utf-8", "{path}");
    assert_eq!(answer.header(header::CACHE_CONTROL), "no-store", "{path}");
    let policy = answer.header(header::CONTENT_SECURITY_POLICY);
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{path}: {policy}");
    assert!(text.starts_with("<!DOCTYPE html><html lang=\"en\">") && text.ends_with("</html>"), "{path}");
    for inline in ["<style", " style=", "<script>", " onclick=", "javascript:", "http://", "https://"] {
        assert!(!text.contains(inline), "{path} has {inline}");
    }
}

#[tokio::test]
async fn every_page_is_whole_and_loads_nothing_from_elsewhere() {
    let api = parked().await;
    let id = api.value("/api/v1/sessions?limit=1").await["sessions"][0]["session_id"].as_str().unwrap().to_owned();
    for path in [
        "/",
        "/timeline",
        "/timeline?lot_id=P3&date=2024-09-24",
        "/timeline?lot_id=P3&span=6h",
        "/timeline?lot_id=P3&from=2024-09-24T09:00:00Z&to=2024-09-24T10:00:00Z",
        "/timeline?lot_id=old-market",
        "/stays?lot_id=P3",
        "/stays?lot_id=old-market&period=28d",
        "/stays?lot_id=P3&from_date=2024-09-01&to_date=2024-09-24",
        "/timeline?lot_id=P3&period=7d",
        "/list?lot_id=P3&period=yesterday&period_of=exits",
        "/list?from_date=2024-09-24&period_of=",
        "/unmatched",
        "/unmatched?lot_id=P3&state=held_exit",
        "/list",
        "/list?lot_id=P3&state=open&overstay=true&doubtful=true&reason=unread&gate_id=a&min_age=90m&last_day=true&order=oldest",
        "/search",
        &format!("/sessions/{id}"),
    ] {
        let answer = open(&api, path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        is_page(&answer, path);
    }
}

#[tokio::test]
async fn what_pages_refer_to_is_there_and_kept_for_ever() {
    let api = parked().await;
    let page = open(&api, "/").await.text();
    let assets: Vec<&str> = page.split('"').filter(|part| part.starts_with("/assets/")).collect();
    assert_eq!(assets.len(), 4);
    for path in assets {
        let asset = api.get(path).await;
        assert_eq!((asset.status, asset.header(header::CACHE_CONTROL)), (200, "public, max-age=31536000, immutable"));
    }
    assert_eq!(api.get("/assets/style.0000000000000000.css").await.status, 404);
}

/// The value of a key figure.
fn figure(page: &str, name: &str) -> String {
    let begin = page.split(&format!("id=\"figure-{name}\"")).nth(1).unwrap();
    let value = begin.split("class=\"value\">").nth(1).unwrap();
    // Most figures lead to a list.
    let value = value.strip_prefix("<a ").map_or(value, |link| link.split_once('>').unwrap().1);
    value.split('<').next().unwrap().to_owned()
}

/// The page as people read it, where it writes a moment.
fn without_markup_of_times(page: &str) -> String {
    let mut parts = page.split("<time datetime=\"");
    let first = parts.next().unwrap_or_default().to_owned();
    let rest = parts.map(|part| part.split_once("\">").unwrap().1.replacen("</time>", "", 1));
    first + &rest.collect::<String>()
}

#[tokio::test]
async fn the_statistics_of_the_page_are_those_of_the_api() {
    let api = parked().await;
    let page = open(&api, "/stays?lot_id=P3").await.text();
    let statistics = api.value("/api/v1/statistics?lot_id=P3&period=today").await;
    let total = statistics["total"].clone();

    assert_eq!(
        (figure(&page, "stays"), figure(&page, "entries")),
        (total["total_sessions"].to_string(), total["entries"].to_string())
    );
    assert_eq!(figure(&page, "average-inside"), format!("{:.1}", total["average_occupancy"].as_f64().unwrap()));
    assert_eq!(
        (figure(&page, "average").as_str(), total["average_dwell_time"].as_i64()),
        ("1 h 47 min", Some(107 * 60))
    );
    assert!(figure(&page, "p50").starts_with("1 h 4"), "{}", figure(&page, "p50"));
    assert_eq!(figure(&page, "exits"), total["exits"].to_string());
    assert_eq!(figure(&page, "unmatched"), total["unmatched_exits"].to_string());
    assert_eq!(figure(&page, "turnover"), format!("{:.1}", total["turnover"].as_f64().unwrap()));
    assert_eq!((figure(&page, "peak").as_str(), &statistics["peak_hour"]), ("09–10 h", &serde_json::json!(9)));
    assert!(page.contains("Today, Tue 24 Sep 2024") && page.contains("Tue 17 Sep: "), "{page}");
}

#[tokio::test]
async fn numbers_on_the_page_are_those_of_the_api() {
    let api = parked().await;
    let page = open(&api, "/").await.text();
    let figure = |name: &str| figure(&page, name);
    let lots = api.value("/api/v1/lots").await;
    let inside: u64 = lots["lots"].as_array().unwrap().iter().map(|lot| lot["inside"].as_u64().unwrap()).sum();
    let pending = api.value("/api/v1/status").await["pending"].clone();
    let sum = |name: &str| {
        lots["lots"]
            .as_array()
            .unwrap()
            .iter()
            .map(|lot| lot[name].as_u64().unwrap_or_default())
            .sum::<u64>()
            .to_string()
    };

    assert_eq!(figure("inside"), inside.to_string());
    assert_eq!(figure("entries"), sum("entries_today"));
    assert_eq!(figure("exits"), sum("exits_today"));
    assert_eq!(figure("unmatched"), sum("unmatched_today"));
    assert_eq!(figure("free"), sum("free_spaces"));
    assert_eq!(figure("doubtful"), sum("doubtful"));
    assert_eq!(figure("overstays"), sum("overstays"));
    assert_eq!(figure("held"), pending["held_exits"].to_string());
    assert_eq!(figure("overdue"), pending["overdue_stays"].to_string());
    assert_eq!((inside, figure("share").as_str(), figure("held").as_str()), (2, "100.0 %", "1"));
}

#[tokio::test]
async fn a_day_is_compared_with_the_same_weekday_before_until_the_same_time() {
    let (api, mut vehicles) = (Api::new().await, Vehicles::default());
    let week = 7 * 24 * 60;
    // A week before: two until the same time, and two more later. Eight days before: one, so that day is known.
    for (number, at) in [-week - 1_440, -week, -week + 60, -week + 200, -week + 300, 0, 20, 90].into_iter().enumerate()
    {
        api.fixture.record(vec![vehicles.entry("P3", &format!("CAR{number}"), minute(at))]).await;
    }

    let (now, stays) = (open(&api, "/").await.text(), open(&api, "/stays?lot_id=P3").await.text());

    let before = api.value("/api/v1/statistics?lot_id=P3&period=today").await["before"].clone();
    assert_eq!((before["entries"].as_u64(), before["to"].as_str()), (Some(2), Some("2024-09-17T10:45:00.000Z")));
    assert_eq!((figure(&now, "entries"), figure(&stays, "entries")), ("3".to_owned(), "3".to_owned()));
    assert!(now.contains("Tue 17 Sep by now: <span class=\"value-before\">2</span>"), "{now}");
    assert!(stays.contains("Tue 17 Sep by 10:45: <span class=\"value-before\">2</span>"), "{stays}");
    assert!(now.contains(">3</a><span class=\"note\"> (2)</span>"), "{now}");
    // Of the day before that, nothing is known of a week before.
    let earlier = open(&api, "/stays?lot_id=P3&from_date=2024-09-17").await.text();
    assert_eq!(figure(&earlier, "entries"), "4");
    assert!(earlier.contains("Tue 10 Sep: <span class=\"none\" title=\"no data of these days\">–"), "{earlier}");
}

#[tokio::test]
async fn what_is_unmatched_is_listed_with_why_page_by_page() {
    let api = Api::new().await;
    let mut vehicles = Vehicles::default();
    for n in 0..61 {
        api.fixture.record(vec![vehicles.entry("P3", "AGAIN1", minute(n))]).await;
    }
    let first = open(&api, "/unmatched?lot_id=P3").await.text();
    let older = first.split("href=\"").find(|link| link.contains("cursor=")).unwrap().split('"').next().unwrap();
    let second = open(&api, &older.replace("&amp;", "&")).await.text();

    let whys = |page: &str| page.matches("the exit between them was missed").count();
    assert_eq!((whys(&first), whys(&second)), (50, 10));
    let why = "The entry of 24 Sep 2024, 09:59:00 UTC is followed by the entry of 24 Sep 2024, 10:00:00 UTC";
    assert!(without_markup_of_times(&first).contains(why));
    assert!(first.contains(">Older<") && !first.contains(">Newest<"));
    assert!(second.contains(">Newest<") && !second.contains(">Older<"));
}

#[tokio::test]
async fn errors_are_pages_for_browsers_and_problems_for_programs() {
    let api = parked().await;
    for (path, status, part) in [
        ("/nowhere", 404, "Not found"),
        ("/sessions/9b810e76-6ec9-4286-a3ca-828dd5f4b3b2", 404, "No session has the id 9b810e76"),
        ("/sessions/%3Cscript%3E", 422, "&lt;script&gt;"),
        ("/timeline?lot_id=P9", 404, "No lot P9 is known"),
        ("/timeline?lot_id=%22%3E%3Cscript%3Ealert(1)%3C/script%3E", 422, "&lt;script&gt;alert(1)"),
        ("/timeline?span=2h", 422, "none of 1m, 5m"),
        ("/stays?period=2d", 422, "none of today, yesterday, 7d"),
        ("/list?from_date=2024-09-24&to_date=2024-09-23", 422, "is before from_date"),
        ("/stays?lot_id=P9", 404, "No lot P9 is known"),
        ("/unmatched?state=%3Cb%3E", 422, "&lt;b&gt;"),
        ("/unmatched?state=matched", 422, "none of unmatched_exit, unmatched_entry, held_exit"),
        ("/unmatched?cursor=abc", 422, "not a next_cursor"),
        ("/search?nothing=1", 400, "nknown query parameter"),
        (
            "/search?plate=9b810e76-6ec9-4286-a3ca-828dd5f4b3b2",
            404,
            "No session and no recorded event has the id 9b810e76",
        ),
        ("/save_summary", 405, "does not support this method"),
    ] {
        let page = open(&api, path).await;
        assert_eq!(page.status, status, "{path}");
        is_page(&page, path);
        assert!(page.text().contains("data-refresh=\"never\""), "{path} would be asked for in vain");
        assert!(page.text().contains(part), "{path}: {}", page.text());
        let problem = api.get(path).await;
        assert_eq!(
            (problem.status, problem.header(header::CONTENT_TYPE)),
            (status, "application/problem+json"),
            "{path}"
        );
    }
    let api_error = open(&api, "/api/v1/sessions?limit=0").await;
    assert_eq!(api_error.header(header::CONTENT_TYPE), "application/problem+json");
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_the_ledger_is_shown_within_a_second_and_so_is_the_health() {
    for how in [How::Down, How::Silent, How::Corrupt] {
        let context = ServiceContext::for_testing();
        let service = Service::new(Arc::new(BrokenLedger(how)), Rules::default(), Lots::default(), &context);
        context.health.dependency("ledger").down("connection refused");
        context.health.optional("redis").down("timed out");
        let router = web_api::router(&service, &Authenticator::local(), &context);

        let begun = tokio::time::Instant::now();
        let answer = send(&router, request(Method::GET, "/", &BROWSER, "")).await;
        let page = answer.text();

        assert_eq!((answer.status, begun.elapsed().as_secs() <= 1), (200, true), "{how:?}");
        for part in ["The ledger does not answer", "Not ready: ledger", "Degraded: redis", "connection refused"] {
            assert!(page.contains(part), "{how:?}: {part} is missing");
        }
        assert!(!page.contains("10.1.2.3"), "{how:?}");
        let timeline = send(&router, request(Method::GET, "/timeline", &BROWSER, "")).await;
        assert_eq!(timeline.status, if how == How::Corrupt { 500 } else { 503 });
        is_page(&timeline, "/timeline");
    }
}

#[tokio::test]
async fn every_page_shows_missing_dependencies_and_silent_correlators() {
    let api = parked().await;
    let says = async |part: &str| {
        for path in ["/", "/unmatched", "/nowhere"] {
            let page = open(&api, path).await.text();
            let header = page.split("id=\"health\"").nth(1).unwrap().split("</div>").next().unwrap();
            assert!(header.contains(part), "{path}: {header}");
        }
    };
    says("Degraded: no correlator reports").await;
    let page = open(&api, "/").await.text();
    assert_eq!(figure(&page, "queued"), "–");
    assert!(page.contains("not known: no correlator reports"));

    api.fixture.local().report(idle_correlator(1)).unwrap();
    says("All dependencies up").await;
    assert_eq!(figure(&open(&api, "/").await.text(), "queued"), "0");

    let redis = DependencyReport { name: "redis".to_owned(), is_optional: true, away: Some("refused".to_owned()) };
    let uncounted = QueueReport { broker: None, ..QueueReport::default() };
    let lacking = CorrelatorStatus { entry: uncounted, dependencies: vec![redis], ..idle_correlator(1) };
    api.fixture.local().report(lacking).unwrap();
    says("Degraded: correlator: redis").await;
    let page = open(&api, "/").await.text();
    assert!(page.contains("<strong>correlator: redis</strong> down"), "{page}");
    assert!(page.contains("refused") && page.contains("not known: the broker does not say"));

    api.fixture.clock.advance_millis(2_001);
    says("Degraded: correlator silent").await;
    api.fixture.clock.advance_millis(8_000);
    says("Degraded: no correlator reports").await;
}

#[tokio::test]
async fn every_page_shows_a_consumer_that_does_not_report() {
    let api = parked().await;
    let broker = Some(BrokerCounts { ready: 0, consumers: 2 });
    let queue = QueueReport { broker, own_consumers: 1, in_flight: 0, undecided: 0 };
    api.fixture.local().report(CorrelatorStatus { exit: queue, ..idle_correlator(1) }).unwrap();

    let page = open(&api, "/").await.text();

    let header = page.split("id=\"health\"").nth(1).unwrap().split("</div>").next().unwrap();
    assert!(header.contains("Degraded: a consumer of the queues does not report"), "{header}");
    assert!(page.contains("Waiting for 1 consumer of the exit queue that no reporting correlator has: "), "{page}");
}

#[tokio::test]
async fn what_is_unmatched_is_explained_as_on_its_own_page_with_the_nearest_plate() {
    let api = Api::new().await;
    let mut vehicles = Vehicles::default();
    let days = 31 * 24 * 60;
    for unit in [
        vehicles.entry("P3", "OLD1234", minute(0)),
        vehicles.entry("P3", "0LD12E4", minute(days - 10)),
        vehicles.exit("P3", "OLD1234", minute(days)),
    ] {
        api.fixture.record(vec![unit]).await;
    }
    let page = without_markup_of_times(&open(&api, "/unmatched?state=held_exit").await.text());
    let why = "The exit of 25 Oct 2024, 09:00:00 UTC follows the entry of 24 Sep 2024, 09:00:00 UTC, but 31d later, and \
               the longest stay here is 30d.";
    assert!(page.contains(why), "{page}");
    assert!(page.contains("Similar plate, open: <a") && page.contains(">0LD12E4</a>"), "{page}");

    let id = api.value("/api/v1/sessions?state=held_exit").await["sessions"][0]["session_id"].clone();
    let own = without_markup_of_times(&open(&api, &format!("/sessions/{}", id.as_str().unwrap())).await.text());
    assert!(own.contains(&format!("id=\"why\">{why}</p>")), "{own}");
    assert!(own.contains("It is held for 30s from when it was recorded") && !own.contains("T09:00:00.000Z (event"));
}

#[tokio::test]
async fn a_saved_summary_is_marked_as_one() {
    let api = Api::two_days_later().await;
    let body = r#"{"vehicle_plate":"FIN123","entry_date_time":"2024-09-24T09:00:00Z","exit_date_time":"2024-09-25T10:00:00Z"}"#;
    let saved: serde_json::Value = api.post_json("/save_summary", body).await.json();
    let page = open(&api, &format!("/sessions/{}", saved["session"]["session_id"].as_str().unwrap())).await.text();
    assert!(page.contains("A client saved this stay as it is.") && !page.contains("directly follows"), "{page}");
}

#[tokio::test]
async fn the_newest_matched_stays_are_those_matched_last() {
    let api = Api::new().await;
    let mut vehicles = Vehicles::default();
    for unit in [
        vehicles.entry("P3", "LONG1", minute(0)),
        vehicles.entry("P3", "SHORT1", minute(50)),
        vehicles.exit("P3", "SHORT1", minute(55)),
        vehicles.exit("P3", "LONG1", minute(60)),
        vehicles.entry("P3", "AFTER1", minute(70)),
    ] {
        api.fixture.record(vec![unit]).await;
    }
    let page = open(&api, "/").await.text();
    let table = page.split("id=\"latest\"").nth(1).unwrap().split("</section>").next().unwrap();
    let plates: Vec<&str> = ["LONG1", "SHORT1", "AFTER1"].into_iter().filter(|plate| table.contains(plate)).collect();
    assert_eq!(plates, ["LONG1", "SHORT1"]);
    assert!(table.find("LONG1") < table.find("SHORT1"), "{table}");
}

#[tokio::test]
async fn a_page_says_when_it_is_to_be_asked_for_again_and_its_health_is_there_alone() {
    let api = parked().await;
    for (path, refresh) in [
        ("/", "always"),
        ("/unmatched", "on-change"),
        ("/timeline?lot_id=P3", "on-change"),
        ("/timeline?lot_id=P3&date=2024-09-24", "on-change"),
        ("/timeline?lot_id=P3&date=2024-09-23", "never"),
        ("/timeline?lot_id=P3&from=2024-09-24T09:00:00Z&to=2024-09-24T09:20:00Z", "never"),
    ] {
        let page = open(&api, path).await.text();
        assert!(page.contains(&format!("data-refresh=\"{refresh}\"")), "{path}");
    }
    let header = open(&api, "/header").await;
    assert_eq!(header.status, 200);
    assert!(header.text().starts_with("<div class=\"health\" id=\"health\" data-live>"), "{}", header.text());
    assert!(header.text().len() < 1_000 && header.text().contains("no correlator reports"));
}
