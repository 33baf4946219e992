//! Lists in pages, one session, lots and status.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::super::{LotPage, SessionPage};
use super::Api;
use crate::testing::{Vehicles, minute};

/// Twelve sessions: for each of six vehicles one that is over and one that is open, alternating over two lots.
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
            api.fixture.service.record(vec![unit]).await.unwrap();
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
        api.fixture.service.record(vec![unit]).await.unwrap();
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
    api.fixture.service.record(vec![unit]).await.unwrap();

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
async fn lots_come_by_name_in_pages() {
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
    let p3 = serde_json::to_value(&whole.lots[0]).unwrap();
    assert_eq!(
        p3,
        json!({"id": "P3", "kind": null, "capacity": null, "inside": 3, "time": "2024-09-24T10:04:00.000Z"})
    );
    let mall = whole.lots.iter().find(|lot| lot.id == "central-mall").unwrap();
    assert_eq!((mall.kind.as_deref(), mall.capacity, mall.inside), (Some("mall"), Some(120), 0));
}

#[tokio::test]
async fn status_says_whether_all_work_is_done() {
    let api = Api::new().await;
    let status: Value = api.value("/api/v1/status").await;
    let expected = json!({
        "now": "2024-09-24T09:00:00.000Z",
        "settled": false,
        "pending": {"held_exits": 0, "overdue_stays": 0},
        "correlators": [],
    });
    assert_eq!(status, expected);
}
