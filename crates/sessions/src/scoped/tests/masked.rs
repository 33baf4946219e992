//! Claims about principals that may read, but no plates.

use ledger::Summary;
use parking::{SessionId, Vehicle};

use super::*;

fn sorted(rows: &[SeenSession], order: Order) -> bool {
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    match order {
        Order::NewestFirst => ids.is_sorted_by(|one, other| one > other),
        Order::OldestFirst => ids.is_sorted_by(|one, other| one < other),
    }
}

/// What a list of masked sessions should be: that of whole ones with other ids and masks, whatever the order of either.
fn without_ids(rows: &[SeenSession]) -> BTreeSet<String> {
    let shown = |row: &SeenSession| {
        let SeenSession { lot, state, entry_time, exit_time, recorded_at, .. } = row;
        format!("{lot} {state} {entry_time:?} {exit_time:?} {recorded_at}")
    };
    rows.iter().map(shown).collect()
}

async fn paged(service: &ScopedService, filter: &SessionFilter, limit: u32, order: Order) -> Vec<SeenSession> {
    let mut rows = Vec::new();
    loop {
        let after = rows.last().map(|row: &SeenSession| row.id);
        let page = service.sessions(filter, Page { limit, after, order }).await.unwrap().rows;
        if page.is_empty() {
            return rows;
        }
        rows.extend(page);
    }
}

#[tokio::test]
async fn a_masked_list_has_the_sessions_of_the_whole_one_page_by_page() {
    let fixture = filled().await;
    let all = fixture.local();
    for (lots, order) in
        [(["*"].as_slice(), Order::NewestFirst), (&["*"], Order::OldestFirst), (&["P1", "P3"], Order::NewestFirst)]
    {
        let masked = fixture.service.scoped(principal("read", lots));
        for filter in [
            SessionFilter::default(),
            SessionFilter { states: vec![State::Matched, State::HeldExit], ..SessionFilter::default() },
            SessionFilter { from: Some(minute(10)), to: Some(minute(30)), ..SessionFilter::default() },
            SessionFilter { lot: Some(lot("P3")), ..SessionFilter::default() },
        ] {
            let whole = all.sessions(&filter, Page { order, ..ALL }).await.unwrap().rows;
            let whole: Vec<_> = whole.into_iter().filter(|row| masked.principal().sees(&row.lot)).collect();
            for limit in [1, 2, 3, 1_000] {
                let rows = paged(&masked, &filter, limit, order).await;
                assert_eq!(rows.len(), whole.len(), "{limit} {order:?} {filter:?}");
                assert!(sorted(&rows, order), "{limit} {order:?} {filter:?}");
                assert_eq!(without_ids(&rows), without_ids(&whole));
            }
            let request = StreamRequest { filter, order, after: None, most: None };
            let streamed: Vec<_> = masked.every_session(request).await.unwrap().try_collect().await.unwrap();
            assert_eq!(without_ids(&streamed.concat()), without_ids(&whole));
        }
    }
}

#[tokio::test]
async fn the_order_within_a_millisecond_is_that_of_aliases_and_tells_nothing_of_ids() {
    let fixture = Fixture::new(temporary().await);
    let (sender, masked) = (fixture.local(), fixture.service.scoped(principal("read", &["*"])));
    for number in 0..40 {
        let vehicle = Vehicle { lot: lot("P1"), plate: Plate::from_read(&format!("CAR{number}")).unwrap() };
        sender.save_summary(Summary { vehicle, entry: minute(-10), exit: minute(-1) }, None).await.unwrap();
    }

    for limit in [1, 7, 39, 40, 41] {
        let rows = paged(&masked, &SessionFilter::default(), limit, Order::NewestFirst).await;
        assert_eq!(rows.len(), 40);
        assert!(sorted(&rows, Order::NewestFirst));
        let own: Vec<SessionId> = rows.iter().map(|row| masked.sight.own_session(row.id)).collect();
        assert!(!own.is_sorted() && !own.is_sorted_by(|one, other| one > other));
    }
}

#[tokio::test]
async fn the_ids_of_a_list_lead_to_sessions_stories_and_explanations() {
    let fixture = filled().await;
    let masked = fixture.service.scoped(principal("read", &["P1"]));
    let rows = masked.sessions(&SessionFilter::default(), ALL).await.unwrap().rows;
    let explained = masked.session_explanations(&rows).await.unwrap();
    assert!(!rows.is_empty());
    for (row, explanation) in rows.iter().zip(explained) {
        assert_eq!(masked.session(row.id).await.unwrap().as_ref(), Some(row));
        assert_eq!(masked.sessions_by_id(&[row.id]).await.unwrap(), std::slice::from_ref(row));
        let story = masked.story(row.id).await.unwrap().unwrap();
        assert_eq!(story.session, *row);
        let event = row.entry_event_id.unwrap();
        assert!(story.reads.iter().any(|read| read.key.id == event));
        assert!(story.changes.iter().all(|change| change.session == row.id));
        let of_event = masked.explain(event).await.unwrap();
        assert_eq!(of_event[0].session.as_ref(), Some(row));
        assert!(of_event[0].text.contains(&event.to_string()), "{}", of_event[0].text);
        assert_eq!(explanation.unwrap().explanation.session.as_uuid(), row.id);
    }
    let own = fixture.local().sessions(&SessionFilter::default(), ALL).await.unwrap().rows;
    for row in own {
        assert_eq!(masked.session(row.id).await, Ok(None), "an own id is none of theirs");
        assert_eq!(masked.explain(row.entry_event_id.or(row.exit_event_id).unwrap()).await, Ok(Vec::new()));
    }
}

#[tokio::test]
async fn the_sender_of_a_summary_gets_its_plate_and_the_id_that_it_can_use() {
    let fixture = filled().await;
    let summary = || Summary {
        vehicle: Vehicle { lot: lot("P1"), plate: Plate::from_read("FIN1234").unwrap() },
        entry: minute(-10),
        exit: minute(0),
    };
    let own = SessionId::of_summary(&summary().vehicle, minute(-10), minute(0)).as_uuid();
    let (sends, reads) = (principal("ingest", &["*"]), principal("ingest,read", &["*"]));

    let sent = fixture.service.scoped(sends).save_summary(summary(), None).await.unwrap();
    let reader = fixture.service.scoped(reads);
    let sent_again = reader.save_summary(summary(), None).await.unwrap();

    assert_eq!((sent.session.id, sent.session.plate.as_str()), (own, "FIN1234"));
    assert_eq!(sent_again.session.plate.as_str(), "FIN1234");
    assert_eq!(reader.session(sent_again.session.id).await.unwrap().unwrap().plate.as_str(), "FI•••34");
}

#[tokio::test]
async fn a_masked_session_names_no_plate_in_any_part_of_its_story() {
    let fixture = Fixture::new(temporary().await);
    let mut vehicles = Vehicles::default();
    // A void session, an exit without an entry, and similar plates.
    for unit in [
        vehicles.exit("P1", "CANARY7", minute(30)),
        vehicles.entry("P1", "CANARY7", minute(10)),
        vehicles.entry("P1", "CANARY7", minute(5)),
        vehicles.exit("P1", "CANARY1", minute(50)),
        vehicles.entry("P1", "CANARY8", minute(45)),
    ] {
        fixture.record(vec![unit]).await;
    }
    let states = vec![State::Open, State::Matched, State::HeldExit, State::UnmatchedEntry, State::Void];
    let filter = SessionFilter { states, ..SessionFilter::default() };
    let (all, masked) = (fixture.local(), fixture.service.scoped(principal("read", &["*"])));
    let secrets: BTreeSet<Uuid> = all
        .sessions(&filter, ALL)
        .await
        .unwrap()
        .rows
        .iter()
        .flat_map(|row| [Some(row.id), row.entry_event_id, row.exit_event_id])
        .flatten()
        .collect();

    let rows = masked.sessions(&filter, ALL).await.unwrap().rows;
    assert!(rows.iter().any(|row| row.superseded_by.is_some()));
    for row in &rows {
        let story = masked.story(row.id).await.unwrap().unwrap();
        let (shown, whole) =
            (format!("{story:?}"), all.story(masked.sight.own_session(row.id).as_uuid()).await.unwrap());
        assert!(!shown.contains("CANARY") && format!("{whole:?}").contains("CANARY"), "{shown}");
        assert!(secrets.iter().all(|secret| !shown.contains(&secret.to_string())), "{shown}");
        assert_eq!(story.explained.unwrap().near, crate::story::NearPlates::default());
    }
}
