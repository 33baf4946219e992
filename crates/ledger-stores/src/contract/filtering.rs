//! Lists with conditions that no index has go on until everything was looked at.

use ledger::LotWindow;
use parking::{GateId, LotId, Plate, Reason, Source, State, Timestamp};

use super::listing::{a_ledger_of_everything, all_rows, is_asked_for};
use super::player::{NOW, Player, entry, minute, vehicle};
use super::{Store, contract};
use crate::{Order, Page, SessionFilter, SessionRow};

contract![
    every_page_of_every_condition_has_what_the_whole_list_has,
    a_page_that_finds_nothing_in_what_it_looks_at_goes_on,
];

fn window(lot: &str, began: &[(i64, i64)], exits: Option<(i64, i64)>) -> LotWindow {
    let began = began.iter().map(|(from, to)| minute(*from)..minute(*to)).collect();
    LotWindow { lot: LotId::parse(lot).unwrap(), began, exits: exits.map(|(from, to)| minute(from)..minute(to)) }
}

fn conditions() -> Vec<SessionFilter> {
    let plain = SessionFilter::default;
    let gate = |name: &str| GateId::parse(name).ok();
    let plate = |text: &str| Plate::named(text).ok();
    let of_some = Some(vec![window("B", &[(0, 120), (300, 301), (400, 650)], None), window("C", &[(-9, 200)], None)]);
    let left = Some(vec![window("A", &[(0, 900)], Some((450, 900))), window("B", &[(0, 900)], Some((250, 650)))]);
    vec![
        SessionFilter { reason: Some(Reason::ReEntered), ..plain() },
        SessionFilter { reason: Some(Reason::Unread), ..plain() },
        SessionFilter { gate: gate("B-entry"), ..plain() },
        SessionFilter { gate: gate("A-exit"), reason: Some(Reason::ReEntered), ..plain() },
        // Of many vehicles, of few, of one, of none.
        SessionFilter { plate_prefix: plate("CA"), ..plain() },
        SessionFilter { plate_prefix: plate("CAR1"), ..plain() },
        SessionFilter { plate_prefix: plate("CAR1"), gate: gate("B-entry"), ..plain() },
        SessionFilter { plate_prefix: plate("CAR11"), ..plain() },
        SessionFilter { plate_part: plate("AR"), ..plain() },
        SessionFilter { plate_part: plate("R1"), windows: of_some.clone(), ..plain() },
        SessionFilter { plate_part: plate("R11"), plate_prefix: plate("CA"), ..plain() },
        SessionFilter { plate: plate("CAR1"), gate: gate("B-exit"), ..plain() },
        SessionFilter { plate: plate("CAR2"), windows: of_some.clone(), ..plain() },
        SessionFilter { windows: of_some.clone(), ..plain() },
        SessionFilter { windows: of_some, gate: gate("C-entry"), plate_prefix: plate("C"), ..plain() },
        SessionFilter { windows: left.clone(), ..plain() },
        SessionFilter { windows: left, source: Some(Source::Events), ..plain() },
        SessionFilter { source: Some(Source::Summary), ..plain() },
        SessionFilter { plate: plate("CAR1"), source: Some(Source::Events), ..plain() },
        SessionFilter { windows: Some(vec![window("NONE", &[(0, 900)], None)]), ..plain() },
        SessionFilter { windows: Some(Vec::new()), ..plain() },
    ]
}

async fn every_page_of_every_condition_has_what_the_whole_list_has(store: Store) {
    let player = Player::on(&store).await;
    a_ledger_of_everything(&player).await;
    let rows = all_rows(&player).await;
    let states =
        [&[][..], &[State::Open], &[State::Matched], &[State::UnmatchedExit, State::UnmatchedEntry], State::ALL];
    let lots = [None, LotId::parse("B").ok()];
    let times: [Option<Timestamp>; 2] = [None, Some(minute(301))];
    let mut found = 0;
    for condition in conditions() {
        for (states, lot, from) in
            states.iter().flat_map(|states| lots.iter().flat_map(move |lot| times.map(|from| (states, lot, from))))
        {
            let filter = SessionFilter { lot: lot.clone(), states: states.to_vec(), from, ..condition.clone() };
            let mut expected: Vec<SessionRow> = rows.iter().filter(|row| is_asked_for(&filter, row)).cloned().collect();
            found += expected.len();
            assert_eq!(player.list(&filter, 7, Order::OldestFirst).await, expected, "{filter:?}");
            expected.reverse();
            assert_eq!(player.list(&filter, 200, Order::NewestFirst).await, expected, "{filter:?}");
        }
    }
    assert!(found > 1_000, "the conditions leave out nearly everything");
}

async fn a_page_that_finds_nothing_in_what_it_looks_at_goes_on(store: Store) {
    let player = Player::on(&store).await;
    let cars: Vec<_> = (0..90).map(|number| vehicle("P3", &format!("CAR{number}"))).collect();
    let mut events: Vec<_> = cars.iter().zip(0..).map(|(car, at)| entry(car, at)).collect();
    events[0].gate = GateId::parse("back").ok();
    player.sees(&events, NOW).await;

    let filter = SessionFilter { gate: GateId::parse("back").ok(), ..SessionFilter::default() };
    let page = Page { limit: 5, after: None, order: Order::NewestFirst };
    let first = player.ledger.sessions(&filter, page).await.unwrap();

    assert_eq!(first.rows, []);
    assert!(first.resume_after.is_some(), "the oldest session is not among the first that are looked at");
    assert_eq!(player.list(&filter, 5, Order::NewestFirst).await.len(), 1);
}
