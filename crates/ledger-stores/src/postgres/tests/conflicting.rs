//! Two summary APIs write to one ledger, and neither locks what it reads.

use matching::{Outcome, Snapshot};

use crate::Summary;
use crate::contract::Store;
use crate::contract::player::{NOW, Player, entry, exit, minute, vehicle};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: ci/test"]
async fn a_vehicle_that_another_summary_api_changed_is_compared_with_its_row_and_the_rest_is_recorded() {
    let store = Store::postgres().await;
    let (one, other) = (Player::on(&store).await, Player::on(&store).await);
    let (car, next) = (vehicle("P3", "ABC123"), vehicle("P3", "DEF456"));
    one.sees(&[entry(&car, 0)], NOW).await;
    let cached_by_one = one.load(&car, None).await;
    let stale = one.decide(&car, cached_by_one, &[exit(&car, 9)]).await;
    other.sees(&[exit(&car, 5)], NOW).await;
    let current = other.load(&car, None).await;
    let beside = one.decide(&next, Snapshot::default(), &[entry(&next, 0)]).await;

    let outcomes = one.ledger.record(vec![stale, beside], &one.rules, NOW).await.unwrap();

    assert_eq!(outcomes[0], Outcome::Lost(current.clone()));
    assert!(matches!(outcomes[1], Outcome::Recorded(_)));
    let again = one.decide(&car, current, &[exit(&car, 9)]).await;
    assert!(matches!(one.record_one(again, NOW).await, Outcome::Recorded(_)));
    let all = [entry(&car, 0), exit(&car, 5), exit(&car, 9), entry(&next, 0)];
    assert_eq!(one.sessions(crate::SessionFilter::default()).await, one.canonical(&all));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: ci/test"]
async fn of_two_summary_apis_that_record_the_same_new_vehicles_each_wins_whole_vehicles() {
    let store = Store::postgres().await;
    let (one, other) = (Player::on(&store).await, Player::on(&store).await);
    for round in 0..10 {
        let cars: Vec<_> = (0..8).map(|car| vehicle("P3", &format!("CAR{round}{car}"))).collect();
        let (mut of_one, mut of_other) = (Vec::new(), Vec::new());
        for car in &cars {
            of_one.push(one.decide(car, Snapshot::default(), &[entry(car, 0)]).await);
            of_other.insert(0, other.decide(car, Snapshot::default(), &[entry(car, 1)]).await);
        }

        let (by_one, by_other) = tokio::join!(
            one.ledger.record(of_one.clone(), &one.rules, NOW),
            other.ledger.record(of_other.clone(), &other.rules, NOW)
        );

        let (by_one, mut by_other) = (by_one.unwrap(), by_other.unwrap());
        by_other.reverse();
        of_other.reverse();
        for (place, outcomes) in by_one.into_iter().zip(by_other).enumerate() {
            match outcomes {
                (Outcome::Recorded(_), Outcome::Lost(row)) => assert_eq!(row, of_one[place].next_snapshot()),
                (Outcome::Lost(row), Outcome::Recorded(_)) => assert_eq!(row, of_other[place].next_snapshot()),
                outcomes => panic!("one must win and one must lose: {outcomes:?}"),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: ci/test"]
async fn a_summary_that_two_summary_apis_save_at_once_is_new_once_and_what_is_recorded_beside_it_stays() {
    let store = Store::postgres().await;
    let (one, other) = (Player::on(&store).await, Player::on(&store).await);
    let known = vehicle("P3", "FIN123");
    one.sees(&[entry(&known, 0)], NOW).await;
    let mut events = vec![entry(&known, 0)];
    for round in 0..8 {
        let cars: Vec<_> = (0..8).map(|car| vehicle("P3", &format!("CAR{round}{car}"))).collect();
        let mut units = Vec::new();
        for car in &cars {
            events.push(entry(car, round));
            units.push(one.decide(car, Snapshot::default(), &[entry(car, round)]).await);
        }
        let summary = Summary { vehicle: known.clone(), entry: minute(round), exit: minute(round + 100) };
        let (left, right) = units.split_at(4);

        let (by_one, by_other, recorded, beside) = tokio::join!(
            one.ledger.save_summary(summary.clone(), NOW),
            other.ledger.save_summary(summary, NOW),
            one.ledger.record(left.to_vec(), &one.rules, NOW),
            other.ledger.record(right.to_vec(), &other.rules, NOW),
        );

        let is_new = [by_one.unwrap().is_new, by_other.unwrap().is_new];
        assert!(is_new.contains(&true) && is_new.contains(&false), "round {round}: {is_new:?}");
        let recorded = [recorded.unwrap(), beside.unwrap()].concat();
        assert!(recorded.iter().all(|outcome| matches!(outcome, Outcome::Recorded(_))), "round {round}: {recorded:?}");
    }
    let sessions = one.sessions(crate::SessionFilter::default()).await;
    let gates: Vec<_> = sessions.into_iter().filter(|session| session.entry_event_id.is_some()).collect();
    assert_eq!(gates, one.canonical(&events));
}
