//! Claims about scopes and lots: what a principal may not see looks like what is not there.

use std::collections::BTreeSet;

use access::{Denied, Gates, Grant, Lots, Scope, Scopes, TokenId, Who};
use futures::TryStreamExt as _;
use ledger::{Order, SessionFilter};
use ledger_stores::testing::temporary;
use parking::{Plate, State};
use uuid::Uuid;

use super::*;
use crate::testing::{Fixture, Vehicles, minute};
use crate::{Bucket, StatisticsOf, StreamRequest};

mod masked;

const ALL: Page = Page { limit: 1_000, after: None, order: Order::NewestFirst };

fn lot(name: &str) -> LotId {
    LotId::parse(name).unwrap()
}

fn principal(scopes: &str, lots: &[&str]) -> Principal {
    let lots = if lots == ["*"] { Lots::All } else { Lots::only(lots.iter().map(|name| lot(name))) };
    let grant = Grant::new(Scopes::parse(scopes).unwrap(), lots, Gates::All).unwrap();
    Principal::new(Who::Token { id: TokenId::parse("k3v9x2ma").unwrap(), name: "test".to_owned() }, grant)
}

/// A ledger with stays of two plates in each of three lots, an open one of each lot, and a held exit of P3.
async fn filled() -> Fixture {
    let (fixture, mut vehicles) = (Fixture::new(temporary().await), Vehicles::default());
    for minutes in 0..6 {
        for name in ["P1", "P2", "P3"] {
            let plate = if minutes % 2 == 0 { "SAME1" } else { "OTHER2" };
            let unit = vehicles.entry(name, plate, minute(minutes * 10));
            fixture.record(vec![unit]).await;
            if minutes < 4 {
                fixture.record(vec![vehicles.exit(name, plate, minute(minutes * 10 + 5))]).await;
            }
        }
    }
    fixture.record(vec![vehicles.exit("P3", "NOENTRY", minute(70))]).await;
    fixture
}

fn lots_of(rows: &[SeenSession]) -> BTreeSet<String> {
    rows.iter().map(|row| row.lot.to_string()).collect()
}

#[tokio::test]
async fn a_list_of_some_lots_is_the_list_of_all_without_the_others() {
    let fixture = filled().await;
    let (all, some) = (fixture.local(), fixture.service.scoped(principal("read,read_plate", &["P1", "P3"])));
    for order in [Order::NewestFirst, Order::OldestFirst] {
        for filter in [
            SessionFilter::default(),
            SessionFilter { states: vec![State::Matched, State::HeldExit], ..SessionFilter::default() },
            SessionFilter { plate: Plate::from_read("SAME1").ok(), ..SessionFilter::default() },
            SessionFilter { from: Some(minute(10)), to: Some(minute(30)), ..SessionFilter::default() },
        ] {
            let mut expected = all.sessions(&filter, Page { order, ..ALL }).await.unwrap().rows;
            expected.retain(|row| row.lot != lot("P2"));
            assert!(!expected.is_empty());

            let mut paged = Vec::new();
            loop {
                let after = paged.last().map(|row: &SeenSession| row.id);
                let page = some.sessions(&filter, Page { limit: 2, after, order }).await.unwrap().rows;
                if page.is_empty() {
                    break;
                }
                paged.extend(page);
            }
            assert_eq!(paged, expected, "{order:?} {filter:?}");

            let request = StreamRequest { filter, order, after: None, most: None };
            let streamed: Vec<_> = some.every_session(request).await.unwrap().try_collect().await.unwrap();
            assert_eq!(streamed.concat(), expected);
        }
    }
}

#[tokio::test]
async fn a_foreign_lot_looks_like_one_that_does_not_exist() {
    let fixture = filled().await;
    let some = fixture.service.scoped(principal("read,read_plate", &["P1"]));
    let of_lot = |name: &str| SessionFilter { lot: Some(lot(name)), ..SessionFilter::default() };
    let statistics = |name: &str| StatisticsOf { lot: lot(name), from: None, to: None, bucket: Bucket::Hour };
    let foreign = fixture.local().sessions(&of_lot("P3"), ALL).await.unwrap().rows;
    let [id, event] = [foreign[0].id, foreign[0].exit_event_id.unwrap()];

    for name in ["P3", "NOWHERE"] {
        assert_eq!(some.sessions(&of_lot(name), ALL).await.unwrap().rows, []);
        assert_eq!(some.lot(&lot(name)), None);
        let refused = some.statistics(&statistics(name)).await.unwrap_err();
        assert_eq!(refused, crate::statistics::unknown_lot(&lot(name)));
        let plate = Plate::from_read("SAME1").unwrap();
        assert_eq!(some.explain_plate(Some(lot(name)), plate.clone(), 3).await, Ok(Vec::new()));
        assert_eq!(some.saved_of_plate(Some(lot(name)), plate, 3).await, Ok(Vec::new()));
    }
    for (session, event) in [(id, event), (Uuid::max(), Uuid::max())] {
        assert_eq!(some.session(session).await, Ok(None));
        assert_eq!(some.story(session).await, Ok(None));
        assert_eq!(some.sessions_by_id(&[session]).await, Ok(Vec::new()));
        assert_eq!(some.explain(event).await, Ok(Vec::new()));
    }
    assert_eq!(some.near_plates(&Plate::from_read("NOENTRI").unwrap()).await, Ok(Vec::new()));
    assert!(!fixture.local().near_plates(&Plate::from_read("NOENTRI").unwrap()).await.unwrap().is_empty());
}

#[tokio::test]
async fn counts_and_changes_are_those_of_the_own_lots() {
    let fixture = filled().await;
    let (all, some) = (fixture.local(), fixture.service.scoped(principal("read,read_plate", &["P1", "P2"])));

    let names = |lots: Vec<crate::LotStatus>| lots.iter().map(|lot| lot.id.to_string()).collect::<Vec<_>>();
    assert_eq!(names(some.lots().await.unwrap()), ["P1", "P2"]);
    assert_eq!(lots_of(&some.newest_matched(3).await.unwrap()), ["P1", "P2"].map(str::to_owned).into());
    assert_eq!(some.newest_matched(3).await.unwrap().len(), 3);
    assert_eq!(
        (all.status().await.unwrap().pending.held_exits, some.status().await.unwrap().pending.held_exits),
        (1, 0)
    );
    assert_eq!((some.exits(), some.correlators(), some.waits_for()), (None, Vec::new(), Vec::new()));
    assert!(some.gates().unwrap().iter().all(|gate| gate.lot_name() != "P3"));
    let own = StatisticsOf { lot: lot("P1"), from: None, to: None, bucket: Bucket::Hour };
    assert!(some.statistics(&own).await.is_ok());

    let mut expected = all.changed_sessions(0, 1_000).await.unwrap().changes;
    let newest = expected.last().unwrap().change.sequence;
    expected.retain(|changed| changed.session.lot != lot("P3"));
    let (mut found, mut after) = (Vec::new(), 0);
    while after < newest {
        let page = some.changed_sessions(after, 2).await.unwrap();
        assert!(page.looked_until > after && page.changes.len() <= 2);
        after = page.looked_until;
        found.extend(page.changes);
    }
    assert_eq!(found, expected);
}

#[tokio::test]
async fn a_call_needs_its_scope() {
    let fixture = filled().await;
    let denied = |scope| Err::<(), _>(Error::Denied(Denied::Scope(scope)));
    let summary = |name: &str| Summary {
        vehicle: parking::Vehicle { lot: lot(name), plate: Plate::from_read("FIN123").unwrap() },
        entry: minute(-10),
        exit: minute(0),
    };
    let scoped = |scopes, lots: &[&str]| fixture.service.scoped(principal(scopes, lots));

    for scopes in ["ingest", "record", "admin", "correct"] {
        let other = scoped(scopes, &["*"]);
        assert_eq!(other.sessions(&SessionFilter::default(), ALL).await.map(drop), denied(Scope::Read), "{scopes}");
        assert_eq!(other.lots().await.map(drop), denied(Scope::Read));
        assert_eq!(other.changed_sessions(0, 1).await.map(drop), denied(Scope::Read));
        assert_eq!(other.gates().map(drop), denied(Scope::Read));
        assert_eq!(other.exits(), None);
    }
    let (masked, plate) = (scoped("read", &["*"]), Plate::from_read("SAME1").unwrap());
    let searched = SessionFilter { plate: Some(plate.clone()), ..SessionFilter::default() };
    let streamed = StreamRequest { filter: searched.clone(), order: Order::NewestFirst, after: None, most: None };
    assert_eq!(masked.sessions(&searched, ALL).await.map(drop), denied(Scope::ReadPlate));
    assert_eq!(masked.every_session(streamed).await.map(drop), denied(Scope::ReadPlate));
    assert_eq!(masked.explain_plate(None, plate.clone(), 1).await.map(drop), denied(Scope::ReadPlate));
    assert_eq!(masked.saved_of_plate(None, plate.clone(), 1).await.map(drop), denied(Scope::ReadPlate));
    assert_eq!(masked.near_plates(&plate).await.map(drop), denied(Scope::ReadPlate));
    assert_eq!(masked.followed_changes(0, 1).await.map(drop), denied(Scope::ReadPlate));

    let reader = scoped("read,read_plate", &["*"]);
    assert_eq!(reader.info().map(drop), denied(Scope::Record));
    assert_eq!(reader.load(Vec::new(), CallOptions::default()).await.map(drop), denied(Scope::Record));
    assert_eq!(reader.record(Vec::new(), CallOptions::default()).await.map(drop), denied(Scope::Record));
    assert_eq!(reader.due(1, CallOptions::default()).await.map(drop), denied(Scope::Record));
    assert_eq!(reader.report(CorrelatorStatus::default()), denied(Scope::Record));
    assert_eq!(reader.verify().await.map(drop), denied(Scope::Record));
    assert_eq!(reader.save_summary(summary("P1"), None).await.map(drop), denied(Scope::Ingest));
    assert!(scoped("admin", &["*"]).verify().await.is_ok());

    let sender = scoped("ingest", &["P1"]);
    assert!(sender.save_summary(summary("P1"), None).await.is_ok());
    let foreign = sender.save_summary(summary("P3"), None).await.map(drop);
    assert_eq!(foreign, Err(Error::Denied(Denied::Lot(lot("P3")))));
}

#[tokio::test]
async fn a_list_that_looks_at_more_than_one_page_may_goes_on_for_every_principal() {
    let (fixture, mut vehicles) = (Fixture::new(temporary().await), Vehicles::default());
    let mut units = Vec::new();
    for number in 0..2_400 {
        // Sixty vehicles a minute, as gates report whole minutes.
        let at = minute(number / 60);
        let mut unit =
            vehicles.entry(["P1", "P2", "P3"][usize::try_from(number).unwrap() % 3], &format!("CAR{number}"), at);
        if number % 600 < 3 {
            unit.events.iter_mut().for_each(|event| event.gate = parking::GateId::parse("back").ok());
        }
        units.push(unit);
    }
    fixture.record(units).await;
    let filter = SessionFilter { gate: parking::GateId::parse("back").ok(), ..SessionFilter::default() };
    for (scopes, lots, expected) in [
        ("read,read_plate", &["*"][..], 12),
        ("read", &["*"], 12),
        ("read,read_plate", &["P1", "P3"], 8),
        ("read", &["P2"], 4),
    ] {
        let service = fixture.service.scoped(principal(scopes, lots));
        for order in [Order::NewestFirst, Order::OldestFirst] {
            let (mut rows, mut after, mut pages) = (Vec::new(), None, 0);
            loop {
                let page = service.sessions(&filter, Page { limit: 5, after, order }).await.unwrap();
                after = page.resume_after.or_else(|| page.rows.last().map(|row| row.id));
                rows.extend(page.rows);
                pages += 1;
                if after.is_none() {
                    break;
                }
            }
            let ids: BTreeSet<Uuid> = rows.iter().map(|row| row.id).collect();
            assert_eq!((rows.len(), ids.len()), (expected, expected), "{scopes} {lots:?} {order:?}");
            assert!(pages > 2 || lots == ["P2"], "one page looked at all: {pages}");
            let request = StreamRequest { filter: filter.clone(), order, after: None, most: None };
            let pages: Vec<Vec<SeenSession>> =
                service.every_session(request).await.unwrap().try_collect().await.unwrap();
            assert_eq!(pages.concat(), rows, "{scopes} {lots:?} {order:?}");
        }
    }
}
