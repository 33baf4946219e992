//! Statistics of a lot by hour and day, and the health of its gates.

use parking::GateId;
use serde_json::{Value, json};
use sessions::testing::{Vehicles, minute};

use super::Api;

/// A morning, 24 September 2024: entries at 9:00 and 9:30, exits at 10:30; an entry at 9:45 without an exit; an exit at
/// 11:15 without an entry.
async fn a_morning() -> Api {
    let api = Api::new().await;
    let mut vehicles = Vehicles::default();
    for unit in [
        vehicles.entry("central-mall", "STAYS", minute(0)),
        vehicles.entry("central-mall", "LEAVES", minute(30)),
        vehicles.entry("central-mall", "MISSED", minute(45)),
        vehicles.exit("central-mall", "LEAVES", minute(90)),
        vehicles.entry("central-mall", "MISSED", minute(100)),
        vehicles.exit("central-mall", "MISSED", minute(110)),
        vehicles.exit("central-mall", "ALONE", minute(135)),
    ] {
        api.fixture.record(vec![unit]).await;
    }
    api
}

#[tokio::test]
async fn an_hour_has_entries_exits_dwell_times_and_occupancy() {
    let api = a_morning().await;
    let from_to = "from=2024-09-24T08:20:00Z&to=2024-09-24T11:00:00Z";

    let shown = api.value(&format!("/api/v1/statistics?lot_id=central-mall&{from_to}")).await;

    let hours: Vec<&Value> = shown["buckets"].as_array().unwrap().iter().collect();
    let of_all = |member: &str| hours.iter().map(|hour| hour[member].clone()).collect::<Vec<_>>();
    assert_eq!(of_all("from"), ["2024-09-24T08:00:00.000Z", "2024-09-24T09:00:00.000Z", "2024-09-24T10:00:00.000Z"]);
    // The hour before the first event has no data, which is not zero.
    assert_eq!(of_all("has_data"), [false, true, true]);
    assert_eq!(of_all("entries"), [Value::Null, json!(3), json!(1)]);
    assert_eq!(of_all("unmatched_entries"), [Value::Null, json!(1), json!(0)]);
    assert_eq!(of_all("occupancy"), [Value::Null, json!(2), json!(1)]);
    // One all the time, one for half an hour, one for ten minutes.
    let average = 100.0 / 60.0;
    assert_eq!(of_all("average_occupancy"), [Value::Null, json!(1.5), json!(average)]);
    assert_eq!(
        *hours[2],
        json!({
            "from": "2024-09-24T10:00:00.000Z",
            "to": "2024-09-24T11:00:00.000Z",
            "has_data": true,
            "entries": 1,
            "exits": 2,
            "matched": 2,
            "unmatched_exits": 0,
            "unmatched_entries": 0,
            "total_sessions": 2,
            "turnover": 2.0,
            "average_dwell_time": 2_100,
            "dwell_p50_seconds": 602.112,
            "dwell_p90_seconds": 3_588.096,
            "dwell_p99_seconds": 3_588.096,
            "occupancy": 1,
            "average_occupancy": average,
            "occupancy_percent": average * 100.0 / 120.0,
        })
    );
    let total = &shown["total"];
    assert_eq!((&total["entries"], &total["matched"], &total["occupancy"]), (&json!(4), &json!(2), &json!(1)));
    assert_eq!((&total["from"], &total["to"]), (&hours[0]["from"], &hours[2]["to"]));
    // The hour before the first event has no data.
    assert!((total["average_occupancy"].as_f64().unwrap() - f64::midpoint(1.5, average)).abs() < 1e-9, "{total}");
    // A Tuesday.
    let tuesday = &shown["arrivals"][1];
    assert_eq!([&tuesday[8], &tuesday[9], &tuesday[10]], [&Value::Null, &json!(3), &json!(1)]);
    let stays: i64 = shown["dwells"].as_array().unwrap().iter().map(|one| one["stays"].as_i64().unwrap()).sum();
    assert_eq!((stays, &shown["capacity"], &shown["time_zone"]), (2, &json!(120), &json!("UTC")));
}

#[tokio::test]
async fn a_day_is_one_bucket_and_the_default_end_is_the_lots_own_time() {
    let api = a_morning().await;

    let days = api.value("/api/v1/statistics?lot_id=central-mall&bucket=day").await;
    let hours = api.value("/api/v1/statistics?lot_id=central-mall").await;

    let (days, hours) = (days["buckets"].as_array().unwrap(), hours["buckets"].as_array().unwrap());
    assert_eq!((days.len(), days[30]["to"].clone()), (31, json!("2024-09-25T00:00:00.000Z")));
    assert_eq!((hours.len(), hours[24]["to"].clone()), (25, json!("2024-09-24T12:00:00.000Z")));
    assert_eq!((&days[30]["entries"], &days[30]["exits"]), (&json!(4), &json!(3)));
}

#[tokio::test]
async fn a_revision_changes_the_hours_of_the_sessions_that_it_revises() {
    let api = Api::new().await;
    let mut vehicles = Vehicles::default();
    for unit in [vehicles.entry("P3", "ABC123", minute(0)), vehicles.exit("P3", "ABC123", minute(130))] {
        api.fixture.record(vec![unit]).await;
    }
    let matched = async || {
        let shown = api.value("/api/v1/statistics?lot_id=P3&from=2024-09-24T09:00:00Z").await;
        let hours = shown["buckets"].as_array().unwrap();
        hours.iter().map(|hour| hour["matched"].as_i64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(matched().await, [0, 0, 1]);

    api.fixture.record(vec![vehicles.exit("P3", "ABC123", minute(70))]).await;

    assert_eq!(matched().await, [0, 1, 0]);
}

#[tokio::test]
async fn invalid_parameters_are_refused_with_the_reason() {
    let api = a_morning().await;
    for (query, part) in [
        ("", "lot_id is missing"),
        ("lot_id=a%20b", "lot_id \"a b\""),
        ("lot_id=P9", "there is no lot P9"),
        ("lot_id=central-mall&bucket=week", "neither hour nor day"),
        ("lot_id=central-mall&from=today", "from \"today\""),
        ("lot_id=central-mall&from=2024-09-24T09:00:00Z&to=2024-09-24T09:00:00Z", "is not after"),
        ("lot_id=central-mall&from=2024-01-01T00:00:00Z", "allowed are 750 hours, or 400 days"),
        ("lot_id=central-mall&bucket=day&from=1970-01-01T00:00:00Z", "allowed are 750 hours, or 400 days"),
        ("lot_id=central-mall&bucket=day&from=1970-01-01T00:00:00Z&to=9999-12-31T23:59:59Z", "is too much"),
    ] {
        let answer = api.get(&format!("/api/v1/statistics?{query}")).await;
        let problem: Value = answer.json();
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert!(answer.status == 422 && detail.contains(part), "{query}: {problem}");
    }
}

#[tokio::test]
async fn gates_show_their_health_and_only_recorded_events_count() {
    let api = Api::new().await;
    let mut vehicles = Vehicles::default();
    let from_gate = |mut unit: matching::Unit, gate: &str, after_ms: i64| {
        for event in &mut unit.events {
            event.gate = GateId::parse(gate).ok();
            event.received_at = event.key.time.plus_millis(after_ms);
            event.confidence = Some(0.5);
        }
        unit
    };
    let entered = from_gate(vehicles.entry("P3", "ABC123", minute(0)), "in", 1_250);
    let units = [
        entered.clone(),
        from_gate(vehicles.entry("P3", "ABC123", minute(0).plus_millis(4_000)), "in", 1_250),
        from_gate(vehicles.exit("P3", "ABC123", minute(20)), "out", 61_000),
        vehicles.entry("P3", "NOGATE", minute(21)),
        // A duplicate: the ledger already has this event.
        entered,
    ];
    for unit in units {
        api.fixture.record(vec![unit]).await;
    }

    let shown = api.value("/api/v1/gates").await;
    api.fixture.service.refresh().await.unwrap();

    let gates = shown["gates"].as_array().unwrap();
    assert_eq!(gates.iter().map(|gate| gate["gate_id"].as_str().unwrap()).collect::<Vec<_>>(), ["in", "out"]);
    assert_eq!(
        gates[0],
        json!({
            "lot_id": "P3",
            "gate_id": "in",
            "last_event_date_time": "2024-09-24T09:00:04.000Z",
            "last_received_at": "2024-09-24T09:00:05.250Z",
            "reads_last_hour": 2,
            "late_last_hour": 0,
            "late_share_last_hour": 0.0,
            "re_reads_last_hour": 1,
            "mean_confidence_last_hour": 0.5,
            "clock_difference_seconds": 1.25,
            "reads": 2,
            "late": 0,
        })
    );
    let metric = |name: &str, gate: &str| api.fixture.metric(&format!("{name}{{gate=\"{gate}\",lot=\"P3\"}}"));
    assert_eq!(metric("dwell_gate_reads_total", "in"), Some(2));
    assert_eq!(metric("dwell_gate_last_event_timestamp_seconds", "in"), Some(1_727_168_404));
    assert_eq!(metric("dwell_gate_clock_difference_seconds", "out"), Some(61));
    assert_eq!((metric("dwell_gate_late_total", "out"), metric("dwell_gate_late_total", "in")), (Some(1), Some(0)));
}

#[tokio::test]
async fn a_day_of_a_lot_has_its_hours_and_its_total() {
    let api = a_morning().await;

    let day = api.value("/api/v1/statistics?lot_id=central-mall&period=today").await;

    let hours = day["buckets"].as_array().unwrap();
    assert_eq!((hours.len(), &hours[0]["from"]), (24, &json!("2024-09-24T00:00:00.000Z")));
    let known: Vec<usize> = (0..24).filter(|hour| hours[*hour]["has_data"] == json!(true)).collect();
    assert_eq!(known, [9, 10, 11], "what is to come has no data");
    assert_eq!((&day["total"]["entries"], &day["total"]["turnover"]), (&json!(4), &json!(2.0 / 3.0)));
    assert_eq!((&day["peak_hour"], &day["before"]), (&json!(9), &Value::Null));
    let by_date = api.value("/api/v1/statistics?lot_id=central-mall&from_date=2024-09-24").await;
    assert_eq!(by_date, day);
    let weeks = api.value("/api/v1/statistics?lot_id=central-mall&period=28d").await;
    assert_eq!((weeks["buckets"].as_array().unwrap().len(), &weeks["total"]["entries"]), (28, &json!(4)));
    for (query, part) in [
        ("period=today&from=2024-09-24T00:00:00Z", "from is not possible together with period"),
        ("from_date=2024-09-24&to_date=2024-09-23", "is before from_date"),
        ("from_date=2020-01-01&to_date=2024-09-23", "more than 400 days"),
    ] {
        let refused = api.get(&format!("/api/v1/statistics?lot_id=central-mall&{query}")).await;
        assert!(refused.status == 422 && refused.text().contains(part), "{query}: {}", refused.text());
    }
}

#[tokio::test]
async fn a_lot_has_counts_of_its_hour_and_its_day() {
    let api = a_morning().await;
    let lots = api.value("/api/v1/lots").await;
    let mall = lots["lots"].as_array().unwrap().iter().find(|lot| lot["id"] == "central-mall").unwrap();
    assert_eq!(
        *mall,
        json!({
            "id": "central-mall",
            "kind": "mall",
            "capacity": 120,
            "inside": 1,
            "time": "2024-09-24T11:15:00.000Z",
            "doubtful": null,
            "overstays": 0,
            "entries_this_hour": 0,
            "exits_this_hour": 1,
            "entries_hour_before": 1,
            "exits_hour_before": 2,
            "matched_last_day": 2,
            "unmatched_last_day": 0,
            "unmatched_share_last_day": 0.0,
            "free_spaces": 119,
            "date": "2024-09-24",
            "entries_today": 4,
            "exits_today": 3,
            "matched_today": 2,
            "unmatched_today": 0,
        })
    );
    assert_eq!(api.fixture.metric("dwell_lot_matched_total{lot=\"central-mall\"}"), Some(2));
    assert_eq!(api.fixture.metric("dwell_lot_unmatched_total{lot=\"central-mall\"}"), Some(0));
}
