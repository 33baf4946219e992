//! Lists in pages, one session, lots and status.

use std::collections::BTreeSet;

use api::{LotPage, SessionPage, SessionView};
use axum::http::{Method, header};
use serde_json::{Value, json};
use sessions::testing::{Vehicles, minute};
use tower::ServiceExt as _;

use super::{Api, request, send};

/// Twelve sessions: a matched and an open one for each of six vehicles, which alternate between two lots.
async fn parked() -> Api {
    let api = Api::new().await;
    let mut vehicles = Vehicles::default();
    for n in 0..6 {
        let (lot, plate) = (["P3", "P4"][usize::try_from(n).unwrap() % 2], format!("CAR{n}"));
        for unit in [
            vehicles.entry(lot, &plate, minute(n)),
            vehicles.exit(lot, &plate, minute(n + 30)),
            vehicles.entry(lot, &plate, minute(n + 60)),
        ] {
            api.fixture.record(vec![unit]).await;
        }
    }
    api
}

async fn pages(api: &Api, query: &str) -> Vec<SessionPage> {
    let mut pages: Vec<SessionPage> = vec![api.get(&format!("/api/v1/sessions?{query}")).await.json()];
    while let Some(cursor) = pages.last().and_then(|page| page.next_cursor.clone()) {
        pages.push(api.get(&format!("/api/v1/sessions?{query}&cursor={cursor}")).await.json());
    }
    pages
}

#[tokio::test]
async fn pages_hold_each_session_once_in_either_order() {
    let api = parked().await;
    let whole = pages(&api, "limit=1000").await;
    let newest: Vec<_> = whole[0].sessions.iter().map(|session| session.session_id).collect();
    assert_eq!((whole.len(), newest.len()), (1, 12));

    for limit in [1, 5, 6, 11, 12] {
        let paged = pages(&api, &format!("limit={limit}")).await;
        let ids: Vec<_> = paged.iter().flat_map(|page| &page.sessions).map(|session| session.session_id).collect();
        assert_eq!(ids, newest, "limit {limit}");
        assert_eq!(paged.len(), 12_usize.div_ceil(limit), "limit {limit}");
    }
    let mut oldest: Vec<_> = pages(&api, "limit=5&order=oldest")
        .await
        .iter()
        .flat_map(|page| page.sessions.clone())
        .map(|one| one.session_id)
        .collect();
    oldest.reverse();
    assert_eq!(oldest, newest);
}

#[tokio::test]
async fn filters_narrow_a_list() {
    let api = parked().await;
    let count = async |query: &str| pages(&api, query).await.iter().map(|page| page.sessions.len()).sum::<usize>();
    assert_eq!(count("lot_id=P3").await, 6);
    assert_eq!(count("lot_id=P9").await, 0);
    assert_eq!(count("vehicle_plate=car-1").await, 2);
    assert_eq!(count("state=open").await, 6);
    assert_eq!(count("state=open,matched&limit=1").await, 12);
    assert_eq!(count("state=open&state=void&lot_id=P4").await, 3);
    assert_eq!(count("from=2024-09-24T09:01:00Z&to=2024-09-24T09:04:00Z").await, 3);
    assert_eq!(count("from=2024-09-24T10:00:00Z").await, 6);
}

#[tokio::test]
async fn void_sessions_are_listed_only_when_asked_for_and_name_their_successor() {
    let api = Api::new().await;
    let mut vehicles = Vehicles::default();
    for unit in [vehicles.exit("P3", "ABC123", minute(60)), vehicles.entry("P3", "ABC123", minute(0))] {
        api.fixture.record(vec![unit]).await;
    }

    let listed: SessionPage = api.get("/api/v1/sessions").await.json();
    let void: SessionPage = api.get("/api/v1/sessions?state=void").await.json();

    let states = |page: &SessionPage| page.sessions.iter().map(|one| one.state.clone()).collect::<Vec<_>>();
    assert_eq!((states(&listed), states(&void)), (vec!["matched".to_owned()], vec!["void".to_owned()]));
    assert_eq!(void.sessions[0].superseded_by, Some(listed.sessions[0].session_id));
    assert_eq!(void.sessions[0].dwell_seconds, None);
    let by_id = api.value(&format!("/api/v1/sessions/{}", void.sessions[0].session_id)).await;
    assert_eq!(by_id["state"], "void");
}

#[tokio::test]
async fn a_session_has_all_its_members_null_where_there_is_nothing() {
    let api = Api::new().await;
    let unit = Vehicles::default().entry("P3", "ABC123", minute(0));
    let session = unit.changes[0].session;
    api.fixture.record(vec![unit]).await;

    let shown = api.value(&format!("/api/v1/sessions/{session}")).await;

    let expected = json!({
        "session_id": session.to_string(),
        "lot_id": "P3",
        "vehicle_plate": "ABC123",
        "entry_event_id": "00000000-0000-0000-0000-000000000001",
        "entry_date_time": "2024-09-24T09:00:00.000Z",
        "exit_event_id": null,
        "exit_date_time": null,
        "dwell_seconds": null,
        "state": "open",
        "reason": null,
        "source": "events",
        "entry_gate_id": null,
        "exit_gate_id": null,
        "superseded_by": null,
        "recorded_at": "2024-09-24T09:00:00.000Z",
        "updated_at": "2024-09-24T09:00:00.000Z",
    });
    assert_eq!(shown, expected);
}

#[tokio::test]
async fn lines_have_all_sessions_as_the_pages_and_the_session_file_have_them() {
    let api = parked().await;
    let listed: Vec<_> = pages(&api, "order=oldest").await.into_iter().flat_map(|page| page.sessions).collect();

    let ndjson = api.get("/api/v1/sessions?order=oldest&format=ndjson").await;
    let csv = api.get("/api/v1/sessions?order=oldest&format=csv").await;

    let lines: Vec<SessionView> = ndjson.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((ndjson.header(header::CONTENT_TYPE), &lines), ("application/x-ndjson", &listed));
    assert_eq!(csv.header(header::CONTENT_TYPE), "text/csv; charset=utf-8; header=present");
    let text = csv.text();
    let mut rows = text.lines();
    assert_eq!(rows.next(), Some(parking::session_row::HEADER.trim_end()));
    let rows: Vec<Vec<&str>> = rows.map(|row| row.split(',').collect()).collect();
    assert_eq!(rows.len(), 12);
    for (row, session) in rows.iter().zip(&listed) {
        let dwell = session.dwell_seconds.map(|dwell| dwell.to_string()).unwrap_or_default();
        assert_eq!(row[0], session.session_id.to_string());
        assert_eq!(row[1..3], [session.lot_id.as_str(), session.vehicle_plate.as_str()]);
        assert_eq!(row[4], session.entry_date_time.as_deref().unwrap_or_default());
        assert_eq!(row[6..9], [session.exit_date_time.as_deref().unwrap_or_default(), &dwell, session.state.as_str()]);
    }
}

#[tokio::test]
async fn lines_go_on_beyond_a_page_and_stop_at_their_limit() {
    let api = Api::new().await;
    let mut vehicles = Vehicles::default();
    let units = (0..2_500).map(|number| vehicles.entry("P3", &format!("CAR{number}"), minute(number))).collect();
    api.fixture.record(units).await;
    let ids = async |query: &str| -> Vec<String> {
        let text = api.get(&format!("/api/v1/sessions?format=csv{query}")).await.text();
        text.lines().skip(1).map(|line| line.split(',').next().unwrap().to_owned()).collect()
    };

    let all = ids("").await;

    assert_eq!(all.len(), 2_500);
    assert!(all.is_sorted_by(|one, next| one > next), "each once, the newest first");
    for limit in [1, 999, 1_000, 1_001, 2_000] {
        assert_eq!(ids(&format!("&limit={limit}")).await, all[..limit], "limit {limit}");
    }
    assert_eq!(ids("&limit=4000000000&order=oldest").await.len(), 2_500);
    assert_eq!(ids("&lot_id=P4").await, Vec::<String>::new());
}

#[tokio::test]
async fn streams_have_a_limit_and_free_their_slot_when_the_client_disconnects() {
    let api = parked().await;
    let asked = || request(Method::GET, "/api/v1/sessions", &[("accept", "text/csv")], "");
    let mut streams = Vec::new();
    for _ in 0..sessions::STREAMS {
        streams.push(api.router.clone().oneshot(asked()).await.unwrap());
    }

    let refused = send(&api.router, asked()).await;
    assert_eq!((refused.status, refused.header(header::RETRY_AFTER)), (503, "1"));
    assert!(refused.text().contains("maximum of 8 streams of sessions"), "{}", refused.text());

    streams.clear();
    assert_eq!(send(&api.router, asked()).await.status, 200);
}

#[tokio::test]
async fn lots_are_listed_by_name_in_pages() {
    let api = parked().await;
    let whole: LotPage = api.get("/api/v1/lots").await.json();
    let mut paged = Vec::new();
    let mut path = "/api/v1/lots?limit=2".to_owned();
    loop {
        let page: LotPage = api.get(&path).await.json();
        paged.extend(page.lots);
        let Some(cursor) = page.next_cursor else { break };
        path = format!("/api/v1/lots?limit=2&cursor={cursor}");
    }

    assert_eq!(paged, whole.lots);
    assert_eq!(whole.next_cursor, None);
    let names: BTreeSet<&str> = whole.lots.iter().map(|lot| lot.id.as_str()).collect();
    assert_eq!(names, BTreeSet::from(["P3", "P4", "central-mall", "grand-hotel", "old-market"]));
    let p3 = &whole.lots[0];
    assert_eq!((p3.inside, p3.time.as_deref()), (3, Some("2024-09-24T10:04:00.000Z")));
    let mall = whole.lots.iter().find(|lot| lot.id == "central-mall").unwrap();
    assert_eq!((mall.kind.as_deref(), mall.capacity, mall.inside), (Some("mall"), Some(120), 0));
}

#[tokio::test]
async fn the_status_shows_whether_all_work_is_done() {
    let api = Api::new().await;
    let status: Value = api.value("/api/v1/status").await;
    let expected = json!({
        "now": "2024-09-24T09:00:00.000Z",
        "settled": false,
        "pending": {"held_exits": 0, "overdue_stays": 0},
        "correlators": [],
        "waits_for": ["no correlator reports (is one running, and does it know this summary API?)"],
    });
    assert_eq!(status, expected);
}
