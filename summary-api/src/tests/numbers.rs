//! Every number of a lot is the length of the list behind it.

use api::{LotPage, LotView, SessionPage, SessionView};
use ledger_stores::testing::temporary;
use matching::{Flags, RecordedEvent, unread_unit};
use parking::{Direction, EventKey};
use sessions::testing::{Fixture, Vehicles, minute, vehicle};
use uuid::Uuid;
use web_api::Authenticator;

use super::Api;

const LOTS: &str = r#"
    [[lot]]
    id = "P3"
    kind = "mall"
    time_zone = "Asia/Kolkata"
    permitted_stay = [{ hours = "14-16", stay = "90m" }, { stay = "6h" }]

    [[lot]]
    id = "P4"
    kind = "hotel"
"#;

/// Two lots with everything that their numbers count: enough stays that doubtful ones are known, overstays, an unread
/// exit, a held one, exits of the day before, and a saved summary, which no number counts.
pub(super) async fn busy() -> Api {
    let fixture = Fixture::with_lots(temporary().await, LOTS);
    let mut vehicles = Vehicles::default();
    let day = 24 * 60;
    for (lot, length) in [("P3", 1), ("P4", 3)] {
        for number in 0..210 {
            // Most stays ended before the last day.
            let begin = if number % 7 == 0 { number } else { number - 2 * day };
            let plate = format!("{lot}CAR{number}");
            fixture.record(vec![vehicles.entry(lot, &plate, minute(begin))]).await;
            fixture.record(vec![vehicles.exit(lot, &plate, minute(begin + length * 10))]).await;
        }
        // Nine o'clock is half past two in the afternoon at P3.
        for (number, begin) in [-400, -200, 0, 30, 150, 250, 480, 599].into_iter().enumerate() {
            fixture.record(vec![vehicles.entry(lot, &format!("{lot}STAY{number}"), minute(begin))]).await;
        }
        fixture.record(vec![vehicles.exit(lot, &format!("{lot}HELD"), minute(590))]).await;
        let key = EventKey { time: minute(580), direction: Direction::Exit, id: Uuid::from_u128(7) };
        let event = RecordedEvent {
            key,
            plate_as_read: "NOPLATE".into(),
            gate: None,
            confidence: None,
            received_at: minute(580),
            flags: Flags::default(),
            receipt: None,
            supersedes: None,
        };
        fixture.record(vec![unread_unit(&vehicle(lot, "NOPLATE"), vec![event])]).await;
    }
    let api = Api::on(fixture, &Authenticator::local());
    api.fixture.clock.advance_millis(2 * 24 * 3_600_000);
    let saved = format!(
        r#"{{"vehicle_plate": "SAVED1", "lot_id": "P3", "entry_date_time": "{}", "exit_date_time": "{}"}}"#,
        minute(0),
        minute(590)
    );
    assert_eq!(api.post_json("/save_summary", saved).await.status, 200);
    api
}

async fn listed(api: &Api, query: &str) -> Vec<SessionView> {
    let (mut sessions, mut cursor) = (Vec::new(), String::new());
    loop {
        let page: SessionPage = api.get(&format!("/api/v1/sessions?limit=50&{query}{cursor}")).await.json();
        sessions.extend(page.sessions);
        match page.next_cursor {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return sessions,
        }
    }
}

/// Each number, and the list behind it.
fn numbers(lot: &LotView) -> [(u64, &'static str); 9] {
    [
        (lot.inside, "state=open"),
        (lot.doubtful.unwrap_or_default(), "doubtful=true"),
        (lot.overstays, "overstay=true"),
        (lot.matched_last_day, "state=matched&last_day=true"),
        (lot.unmatched_last_day, "state=unmatched_exit&last_day=true"),
        (lot.entries_today, "period=today&period_of=entries"),
        (lot.exits_today, "period=today&period_of=exits"),
        (lot.matched_today, "period=today&period_of=exits&state=matched"),
        (lot.unmatched_today, "period=today&period_of=exits&state=unmatched_exit"),
    ]
}

#[tokio::test]
async fn each_number_of_a_lot_and_of_all_is_the_length_of_the_list_behind_it() {
    let api = busy().await;
    let lots: LotPage = api.get("/api/v1/lots").await.json();
    let mut sums = [0; 9];
    for lot in &lots.lots {
        for ((number, query), sum) in numbers(lot).into_iter().zip(&mut sums) {
            let list = listed(&api, &format!("{query}&lot_id={}", lot.id)).await;
            assert_eq!(u64::try_from(list.len()).unwrap(), number, "{query} at {}", lot.id);
            assert!(list.iter().all(|session| session.lot_id == lot.id));
            *sum += number;
        }
    }
    for ((_, query), sum) in numbers(&lots.lots[0]).into_iter().zip(sums) {
        assert_eq!(u64::try_from(listed(&api, query).await.len()).unwrap(), sum, "{query} in all");
    }
    let p3 = lots.lots.iter().find(|lot| lot.id == "P3").unwrap();
    // At P3 it is half past midnight, and nothing was matched since.
    assert!(numbers(p3)[..7].iter().all(|(number, _)| *number > 0), "a number that is 0 shows nothing: {p3:?}");
    assert!(sums.iter().all(|sum| *sum > 0), "a number that is 0 shows nothing: {sums:?}");
    let held = listed(&api, "state=held_exit&last_day=true&lot_id=P3").await;
    assert_eq!(held.len(), 1);
    // Those of the two hours in the afternoon, and those before that or after it that are older than six hours.
    let over: Vec<_> = listed(&api, "overstay=true&lot_id=P3&order=oldest").await;
    let over: Vec<_> = over.iter().map(|session| session.vehicle_plate.as_str()).collect();
    assert_eq!(over, ["P3STAY0", "P3STAY1", "P3STAY2", "P3STAY3", "P3STAY4"]);
}

#[tokio::test]
async fn each_number_of_a_day_is_the_length_of_the_list_behind_it() {
    let api = busy().await;
    let mut compared = 0;
    for (lot, period) in ["P3", "P4"].into_iter().flat_map(|lot| {
        ["period=today", "period=yesterday", "period=7d", "from_date=2024-09-22&to_date=2024-09-24"].map(|of| (lot, of))
    }) {
        let total = api.value(&format!("/api/v1/statistics?lot_id={lot}&{period}")).await["total"].clone();
        for (member, query) in [
            ("entries", "period_of=entries"),
            ("exits", "period_of=exits"),
            ("matched", "period_of=exits&state=matched"),
            ("unmatched_exits", "period_of=exits&state=unmatched_exit"),
            ("unmatched_entries", "period_of=entries&state=unmatched_entry"),
        ] {
            let list = listed(&api, &format!("{query}&lot_id={lot}&{period}")).await;
            // A day without data has null.
            assert_eq!(total[member].as_u64().unwrap_or(0), list.len() as u64, "{member} of {lot}, {period}");
            compared += list.len();
        }
    }
    assert!(compared > 500, "{compared}");
    // Also of saved summaries, and by the anchor event.
    let all = listed(&api, "lot_id=P3&from_date=2024-09-24").await;
    assert!(all.iter().any(|session| session.vehicle_plate == "SAVED1"));
    for (query, part) in [
        ("period_of=exits", "period_of needs a period"),
        ("period=today&from_date=2024-09-24", "not possible together"),
        ("period=1d", "none of today"),
    ] {
        let refused = api.get(&format!("/api/v1/sessions?{query}")).await;
        assert!(refused.status == 422 && refused.text().contains(part), "{query}: {}", refused.text());
    }
}

#[tokio::test]
async fn an_age_is_on_the_time_of_each_lot() {
    let api = busy().await;
    let plates =
        |sessions: Vec<SessionView>| sessions.into_iter().map(|session| session.vehicle_plate).collect::<Vec<_>>();
    // The newest event of both lots is at minute 599.
    let old = plates(listed(&api, "state=open&min_age=449m&order=oldest").await);
    assert_eq!(old.len(), 10, "{old:?}");
    assert_eq!(plates(listed(&api, "state=open&min_age=449m1s&lot_id=P4&order=oldest").await).len(), 4);
    assert_eq!(plates(listed(&api, "state=matched&overstay=true").await), Vec::<String>::new());
    assert_eq!(plates(listed(&api, "overstay=true&lot_id=P4").await), Vec::<String>::new(), "it permits any stay");
}

#[tokio::test]
async fn a_list_as_csv_has_the_rows_of_its_pages() {
    let api = busy().await;
    for query in ["overstay=true", "state=matched&last_day=true", "reason=unread&lot_id=P3"] {
        let listed = listed(&api, query).await;
        let csv = api.get(&format!("/api/v1/sessions?format=csv&{query}")).await.text();
        let ids: Vec<_> = csv.lines().skip(1).map(|line| line.split(',').next().unwrap().to_owned()).collect();
        assert!(!ids.is_empty(), "{query}");
        assert_eq!(ids, listed.iter().map(|session| session.session_id.to_string()).collect::<Vec<_>>(), "{query}");
    }
}

#[tokio::test]
async fn each_number_on_the_page_leads_to_a_list_of_that_length() {
    let api = busy().await;
    let now = api.get("/").await.text();
    let mut followed = 0;
    for link in now.split("<a class=\"count\" href=\"").skip(1) {
        let (address, rest) = link.split_once("\">").unwrap();
        let number: usize = rest.split(['<', ' ']).next().unwrap().parse().unwrap();
        let (mut next, mut rows) = (Some(address.replace("&amp;", "&")), 0);
        while let Some(address) = next {
            let list = api.get(&address).await;
            assert_eq!(list.status, 200, "{address}: {}", list.text());
            rows += list.text().matches("<tr data-key=").count();
            let link = list.text().split("rel=\"next\" href=\"").nth(1).map(str::to_owned);
            next = link.map(|link| link.split('"').next().unwrap().replace("&amp;", "&"));
        }
        assert_eq!(rows, number, "{address}");
        followed += 1;
    }
    assert!(followed > 14, "only {followed} numbers lead to a list");
}

#[tokio::test]
async fn a_list_shows_how_long_each_vehicle_may_stay_and_how_long_it_is_inside() {
    let api = busy().await;
    let list = api.get("/list?lot_id=P3&overstay=true&order=oldest").await.text();
    let row = list.split("<tr data-key=").nth(3).unwrap().split("</tr>").next().unwrap();
    for part in [">P3STAY2<", ">9 h 59 min<", ">1 h 30 min<", "overstay", "doubtful"] {
        assert!(row.contains(part), "{part} is not in {row}");
    }
    assert!(list.contains("<h1>Overstays, P3</h1>"));
    let csv = "/api/v1/sessions?lot_id=P3&amp;overstay=true&amp;order=oldest&amp;columns=list&amp;format=csv";
    assert!(list.contains(&format!("href=\"{csv}\" download")), "{list}");
    let exported = api.get(&csv.replace("&amp;", "&")).await.text();
    let lines: Vec<&str> = exported.lines().collect();
    assert!(lines[0].ends_with(",entry_gate_id,exit_gate_id,stay_seconds,permitted_stay_seconds,mark"), "{}", lines[0]);
    assert!(lines[3].ends_with(",open,,,,35940,5400,overstay doubtful"), "{}", lines[3]);
    let plain = api.get("/api/v1/sessions?lot_id=P3&overstay=true&order=oldest&format=csv").await.text();
    assert!(lines.iter().zip(plain.lines()).all(|(listed, plain)| listed.starts_with(plain)), "{exported}");
    assert!(api.get("/list?lot_id=P4&overstay=true").await.text().contains("No stay fits this filter."));
    assert_eq!(api.get("/list?plate=P3STAY2").await.status, 400);
}
