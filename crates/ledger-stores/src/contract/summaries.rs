//! Summaries that clients save are recorded once each, and affect neither timelines nor occupancy.

use matching::Snapshot;
use parking::{Session, SessionId, Source, State};

use super::player::{NOW, Player, entry, exit, minute, vehicle};
use super::{Store, contract};
use crate::{ChangeRow, LotRow, Saved, SessionFilter, SessionRow, Summary};

contract![
    a_summary_saved_twice_is_one_session,
    of_many_that_save_one_summary_one_finds_it_new,
    a_summary_stays_out_of_timelines_and_occupancy,
];

fn summary() -> Summary {
    Summary { vehicle: vehicle("main", "FIN123"), entry: minute(0), exit: minute(1500) }
}

async fn a_summary_saved_twice_is_one_session(store: Store) {
    let player = Player::on(&store).await;

    let first = player.ledger.save_summary(summary(), NOW).await.unwrap();
    let again = player.ledger.save_summary(summary(), NOW.plus_millis(5)).await.unwrap();

    let Summary { vehicle, entry, exit } = summary();
    let session = Session {
        id: SessionId::of_summary(&vehicle, entry, exit),
        vehicle,
        entry_event_id: None,
        entry_time: Some(entry),
        exit_event_id: None,
        exit_time: Some(exit),
        state: State::Matched,
        reason: None,
    };
    let row = SessionRow {
        session: session.clone(),
        source: Source::Summary,
        entry_gate: None,
        exit_gate: None,
        superseded_by: None,
        recorded_at: NOW,
        updated_at: NOW,
    };
    assert_eq!(first, Saved { row: row.clone(), is_new: true, sequence: 1 });
    assert_eq!(again, Saved { row: row.clone(), is_new: false, sequence: 1 });
    assert_eq!(player.ledger.session(session.id).await, Ok(Some(row)));
    let change = ChangeRow {
        sequence: 1,
        session: session.id,
        vehicle_version: 0,
        from: None,
        to: State::Matched,
        rule: None,
        recorded_at: NOW,
    };
    assert_eq!(player.ledger.changes(0, 10).await, Ok(vec![change]));
}

async fn of_many_that_save_one_summary_one_finds_it_new(store: Store) {
    let player = Player::on(&store).await;
    let callers = (0..16).map(|_| player.ledger.save_summary(summary(), NOW));

    let saved: Vec<Saved> = futures::future::try_join_all(callers).await.unwrap();

    assert_eq!(saved.iter().filter(|saved| saved.is_new).count(), 1);
    assert!(saved.iter().all(|other| other.row == saved[0].row));
    assert_eq!(player.ledger.changes(0, 100).await.unwrap().len(), 1);
}

async fn a_summary_stays_out_of_timelines_and_occupancy(store: Store) {
    let player = Player::on(&store).await;
    let car = summary().vehicle;

    player.ledger.save_summary(summary(), NOW).await.unwrap();

    assert_eq!(player.load(&car, None).await, Snapshot::default());
    let known = LotRow { id: car.lot.clone(), inside: 0, time: None };
    assert_eq!(player.ledger.lots().await, Ok(vec![known]));
    let events = [entry(&car, 10), exit(&car, 20)];
    player.sees(&events, NOW).await;
    let of_plate = SessionFilter { plate: Some(car.plate.clone()), ..SessionFilter::default() };
    assert_eq!(player.sessions(of_plate).await.len(), 2);
    let lots = player.ledger.lots().await.unwrap();
    assert_eq!((lots[0].inside, lots[0].time), (0, Some(minute(20))));
}
