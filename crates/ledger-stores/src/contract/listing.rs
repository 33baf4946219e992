//! Lists return each session once, with every filter, in both orders, page by page.

use ledger::LotWindow;
use parking::{GateEvent, State};

use super::player::{NOW, Player, entry, exit, minute, vehicle};
use super::{Store, contract};
use crate::{Order, SessionFilter, SessionRow, Summary};

contract![every_page_of_every_filter_has_what_the_whole_list_has, what_is_not_there_is_an_empty_list];

/// Sessions in every state, of three lots and four plates that are in two lots each.
pub(super) async fn a_ledger_of_everything(player: &Player) {
    let cars: Vec<_> =
        (0..8).map(|number| vehicle(["A", "B", "C"][number % 3], &format!("CAR{}", number % 4))).collect();
    for (number, car) in (0..).zip(&cars) {
        let mut events: Vec<GateEvent> = Vec::new();
        for stay in 0..6 {
            events.extend([entry(car, stay * 100 + number), exit(car, stay * 100 + 50)]);
        }
        // One vehicle enters again without having left, one leaves twice.
        events.extend([entry(car, 610), entry(car, 620), exit(car, 650), exit(car, 660 + number), entry(car, 700)]);
        // Exits come first: most of their sessions become void.
        events.sort_by_key(|event| std::cmp::Reverse(event.key.direction));
        for some in events.chunks(4) {
            player.sees(some, NOW).await;
        }
        let summary = Summary { vehicle: car.clone(), entry: minute(number), exit: minute(900) };
        player.ledger.save_summary(summary, NOW).await.unwrap();
    }
    let ended = NOW.plus_millis(player.rules.hold_ms);
    for due in player.due(4, ended).await {
        player.ends(&due, ended).await;
    }
}

/// Every session, read without a list.
pub(super) async fn all_rows(player: &Player) -> Vec<SessionRow> {
    let changes = player.ledger.changes(0, 100_000).await.unwrap();
    let mut ids: Vec<_> = changes.iter().map(|change| change.session).collect();
    ids.sort_unstable();
    ids.dedup();
    let mut rows = Vec::new();
    for id in ids {
        rows.push(player.ledger.session(id).await.unwrap().unwrap());
    }
    rows
}

pub(super) fn is_asked_for(filter: &SessionFilter, row: &SessionRow) -> bool {
    let session = &row.session;
    let given = session.given_at().unwrap();
    filter.lot.as_ref().is_none_or(|lot| *lot == session.vehicle.lot)
        && filter.plate.as_ref().is_none_or(|plate| *plate == session.vehicle.plate)
        && (filter.states.contains(&session.state) || filter.states.is_empty() && session.state != State::Void)
        && filter.from.is_none_or(|from| given >= from)
        && filter.to.is_none_or(|to| given < to)
        && filter.plate_prefix.as_ref().is_none_or(|prefix| session.vehicle.plate.as_str().starts_with(prefix.as_str()))
        && filter.plate_part.as_ref().is_none_or(|part| session.vehicle.plate.as_str().contains(part.as_str()))
        && filter.reason.is_none_or(|reason| session.reason == Some(reason))
        && filter.gate.as_ref().is_none_or(|gate| [&row.entry_gate, &row.exit_gate].contains(&&Some(gate.clone())))
        && filter.source.is_none_or(|source| row.source == source)
        && filter.windows.as_ref().is_none_or(|windows| windows.iter().any(|window| is_within(window, row)))
}

fn is_within(window: &LotWindow, row: &SessionRow) -> bool {
    let session = &row.session;
    let given = session.given_at().unwrap();
    window.lot == session.vehicle.lot
        && window.began.iter().any(|range| range.contains(&given))
        && window.exits.as_ref().is_none_or(|times| session.exit_time.is_some_and(|exit| times.contains(&exit)))
}

async fn every_page_of_every_filter_has_what_the_whole_list_has(store: Store) {
    let player = Player::on(&store).await;
    a_ledger_of_everything(&player).await;
    let rows = all_rows(&player).await;
    for state in State::ALL {
        assert!(rows.iter().any(|row| row.session.state == *state), "no session is {state}");
    }
    let car = vehicle("B", "CAR1");
    let states = [&[][..], State::ALL, &[State::Void, State::Open], &[State::Matched]];
    let singles = State::ALL.iter().map(std::slice::from_ref);
    for states in states.into_iter().chain(singles) {
        for bits in 0..16 {
            let filter = SessionFilter {
                lot: (bits & 1 != 0).then(|| car.lot.clone()),
                plate: (bits & 2 != 0).then(|| car.plate.clone()),
                states: states.to_vec(),
                from: (bits & 4 != 0).then(|| minute(101)),
                to: (bits & 8 != 0).then(|| minute(650)),
                ..SessionFilter::default()
            };
            let mut expected: Vec<SessionRow> = rows.iter().filter(|row| is_asked_for(&filter, row)).cloned().collect();
            assert_eq!(player.list(&filter, 7, Order::OldestFirst).await, expected, "{filter:?}");
            expected.reverse();
            assert_eq!(player.list(&filter, 200, Order::NewestFirst).await, expected, "{filter:?}");
        }
    }
}

async fn what_is_not_there_is_an_empty_list(store: Store) {
    let player = Player::on(&store).await;
    let car = vehicle("P3", "ABC123");
    let of = async |filter: SessionFilter| player.list(&filter, 10, Order::NewestFirst).await;
    assert_eq!(of(SessionFilter::default()).await, []);
    assert_eq!(player.ledger.lots().await, Ok(Vec::new()));
    player.sees(&[entry(&car, 0)], NOW).await;

    let elsewhere = vehicle("P4", "OTHER");
    assert_eq!(of(SessionFilter { lot: Some(elsewhere.lot), ..SessionFilter::default() }).await, []);
    assert_eq!(of(SessionFilter { plate: Some(elsewhere.plate), ..SessionFilter::default() }).await, []);
    assert_eq!(of(SessionFilter { to: Some(minute(0)), ..SessionFilter::default() }).await, []);
    let unknown = parking::SessionId::of_event(&car, &exit(&car, 0).key);
    assert_eq!(player.ledger.session(unknown).await, Ok(None));
    assert_eq!(player.ledger.changes(1, 10).await, Ok(Vec::new()));
}
