//! Changes by polling, and entity tags.

use api::{ChangePage, SessionView};
use axum::http::{Method, header};
use serde_json::json;
use sessions::testing::{Vehicles, minute};

use super::{Answer, Api, request, send};

/// An exit with a late entry, so that a session becomes void, and another vehicle that is inside.
async fn revised() -> Api {
    let api = Api::new().await;
    let mut vehicles = Vehicles::default();
    for unit in [
        vehicles.exit("P3", "ABC123", minute(60)),
        vehicles.entry("P4", "OTHER1", minute(1)),
        vehicles.entry("P3", "ABC123", minute(0)),
    ] {
        api.fixture.record(vec![unit]).await;
    }
    api
}

async fn asked_with(api: &Api, path: &str, tag: &str) -> Answer {
    send(&api.router, request(Method::GET, path, &[("if-none-match", tag)], "")).await
}

#[tokio::test]
async fn every_change_is_listed_once_in_order_with_its_current_session() {
    let api = revised().await;
    let whole: ChangePage = api.get("/api/v1/changes").await.json();

    let story: Vec<_> = whole
        .changes
        .iter()
        .map(|change| {
            let rule = change.rule.as_deref().unwrap_or_default();
            (change.sequence, change.from_state.as_deref(), change.to_state.as_str(), rule)
        })
        .collect();
    assert_eq!(story[..2], [(1, None, "held_exit", "held"), (2, None, "open", "entered")]);
    let mut last: Vec<_> = story[2..].iter().map(|(_, from, to, rule)| (*from, *to, *rule)).collect();
    last.sort_unstable();
    assert_eq!(last, [(None, "matched", "matched"), (Some("held_exit"), "void", "superseded")]);
    assert_eq!(whole.next_after, 4);
    for change in &whole.changes {
        let now: SessionView = api.get(&format!("/api/v1/sessions/{}", change.session_id)).await.json();
        assert_eq!(change.session, now);
    }
    assert_eq!(whole.changes[0].session.state, "void");
}

#[tokio::test]
async fn a_client_that_follows_next_after_misses_nothing_and_repeats_nothing() {
    let api = revised().await;
    let whole: ChangePage = api.get("/api/v1/changes?limit=1000").await.json();

    for limit in 1..=5 {
        let (mut after, mut seen) = (0, Vec::new());
        loop {
            let page: ChangePage = api.get(&format!("/api/v1/changes?after={after}&limit={limit}")).await.json();
            after = page.next_after;
            if page.changes.is_empty() {
                break;
            }
            seen.extend(page.changes);
        }
        assert_eq!((seen, after), (whole.changes.clone(), 4), "limit {limit}");
    }
}

#[tokio::test]
async fn a_saved_summary_is_a_change_without_a_rule() {
    let api = Api::two_days_later().await;
    let body = r#"{"vehicle_plate":"FIN123","entry_date_time":"2024-09-24T09:00:00Z","exit_date_time":"2024-09-25T10:00:00Z"}"#;
    let saved = api.post_json("/save_summary", body).await;

    let page = api.value("/api/v1/changes").await;

    let session = saved.json::<serde_json::Value>()["session"].clone();
    let expected = json!({
        "changes": [{
            "sequence": 1,
            "session_id": session["session_id"],
            "from_state": null,
            "to_state": "matched",
            "rule": null,
            "vehicle_version": 0,
            "recorded_at": "2024-09-26T09:00:00.000Z",
            "session": session,
        }],
        "next_after": 1,
    });
    assert_eq!(page, expected);
}

#[tokio::test]
async fn a_number_of_another_ledger_is_refused_instead_of_waited_for() {
    let api = revised().await;
    for (query, part) in [
        ("after=5", "5 is beyond the newest change, 4"),
        ("after=-1", "is not the sequence number of a change"),
        ("after=9223372036854775808", "is not the sequence number of a change"),
        ("after=1&after=2", "after is repeated"),
        ("limit=1001", "from 1 to 1000"),
    ] {
        let answer = api.get(&format!("/api/v1/changes?{query}")).await;
        assert_eq!(answer.status, 422, "{query}");
        assert!(answer.text().contains(part), "{query}: {}", answer.text());
    }
}

#[tokio::test]
async fn a_client_with_the_current_etag_gets_304_until_the_response_changes() {
    let api = revised().await;
    let session: ChangePage = api.get("/api/v1/changes?limit=1").await.json();
    let session = format!("/api/v1/sessions/{}", session.changes[0].session_id);
    for path in ["/api/v1/sessions", "/api/v1/lots", "/api/v1/changes", &session] {
        let first = api.get(path).await;
        let tag = first.header(header::ETAG).to_owned();
        assert_eq!(first.header(header::CACHE_CONTROL), "private, no-cache", "{path}");

        let same = asked_with(&api, path, &format!("\"other\", W/{tag}")).await;
        let other = asked_with(&api, path, "\"other\"").await;

        assert_eq!((same.status, same.body.len(), same.header(header::ETAG)), (304, 0, tag.as_str()), "{path}");
        assert_eq!((other.status, other.body), (200, first.body), "{path}");
    }
    let before = api.get("/api/v1/sessions").await;
    let unit = Vehicles::default().entry("P3", "NEW1", minute(100));
    api.fixture.record(vec![unit]).await;
    assert_eq!(asked_with(&api, "/api/v1/sessions", before.header(header::ETAG)).await.status, 200);
    assert_eq!(asked_with(&api, "/api/v1/sessions?limit=0", "*").await.status, 422);
    assert_eq!(api.get("/metrics").await.header(header::ETAG), "");
}
