//! Many correlators share one ledger.

use std::time::Duration;

use matching::{Outcome, Snapshot};
use parking::{GateEvent, State};

use super::player::{NOW, Player, entry, exit, vehicle};
use super::{Store, contract};
use crate::SessionFilter;

contract![
    of_two_that_record_a_new_vehicle_one_is_lost,
    changes_are_numbered_without_gaps_whoever_records,
    a_call_whose_caller_has_gone_away_runs_to_its_end,
];

async fn of_two_that_record_a_new_vehicle_one_is_lost(store: Store) {
    let player = Player::on(&store).await;
    for round in 0..10 {
        let car = vehicle("P3", &format!("CAR{round}"));
        let one = player.decide(&car, Snapshot::default(), &[entry(&car, 0)]).await;
        let other = player.decide(&car, Snapshot::default(), &[entry(&car, 1)]).await;

        let outcomes = tokio::join!(player.record_one(one.clone(), NOW), player.record_one(other.clone(), NOW));

        match outcomes {
            (Outcome::Recorded(_), Outcome::Lost(snapshot)) => assert_eq!(snapshot, one.next_snapshot()),
            (Outcome::Lost(snapshot), Outcome::Recorded(_)) => assert_eq!(snapshot, other.next_snapshot()),
            outcomes => panic!("one must win and one must lose: {outcomes:?}"),
        }
    }
}

async fn changes_are_numbered_without_gaps_whoever_records(store: Store) {
    let player = Player::on(&store).await;
    let lots = ["A", "B", "C"];
    let events_of = |writer: i64| -> Vec<GateEvent> {
        let vehicles = (0..12).map(|number| vehicle(lots[number % 3], &format!("CAR{number}")));
        let minutes = writer * 20..writer * 20 + 4;
        vehicles
            .flat_map(|car| minutes.clone().flat_map(move |at| [entry(&car, at * 3), exit(&car, at * 3 + 1)]))
            .collect()
    };
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let (player, mut events) = (player.clone(), events_of(writer));
            // Each writer has a different order, so that they conflict.
            events.sort_by_key(|event| event.key.id.as_u128().rotate_left(32 * u32::try_from(writer).unwrap()));
            tokio::spawn(async move {
                for some in events.chunks(16) {
                    player.sees(some, NOW).await;
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }

    let all: Vec<GateEvent> = (0..4).flat_map(events_of).collect();
    assert_eq!(player.sessions(SessionFilter::default()).await, player.canonical(&all));
    let changes = player.ledger.changes(0, 10_000).await.unwrap();
    assert!(changes.iter().map(|change| change.sequence).eq(1..=u64::try_from(changes.len()).unwrap()));
    // The last change of each session matches the session, so sequence numbers follow the order of recording.
    for row in player
        .list(
            &SessionFilter { states: State::ALL.to_vec(), ..SessionFilter::default() },
            500,
            crate::Order::OldestFirst,
        )
        .await
    {
        let last = changes.iter().rfind(|change| change.session == row.session.id).unwrap();
        assert_eq!(last.to, row.session.state);
    }
    let inside: u64 = player.ledger.lots().await.unwrap().iter().map(|lot| lot.inside).sum();
    let open = SessionFilter { states: vec![State::Open], ..SessionFilter::default() };
    assert_eq!(inside, u64::try_from(player.sessions(open).await.len()).unwrap());
}

async fn a_call_whose_caller_has_gone_away_runs_to_its_end(store: Store) {
    let player = Player::on(&store).await;
    let car = vehicle("P3", "ABC123");
    let unit = player.decide(&car, Snapshot::default(), &[entry(&car, 0)]).await;
    {
        let call = player.ledger.record(vec![unit.clone()], &player.rules, NOW);
        let begun = futures::poll!(std::pin::pin!(call));
        assert!(begun.is_pending(), "a disk is not that fast");
    }

    let recorded = async || player.load(&car, None).await == unit.next_snapshot();
    testbed::wait_until(Duration::from_secs(10), "the unit to be recorded", recorded).await;
}
