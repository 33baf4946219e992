//! Random histories in random splits and orders give the canonical sessions.

use parking::{Direction, GateEvent, LotId};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::player::{NOW, Player, event, vehicle};
use super::{Store, contract};
use crate::SessionFilter;

contract![any_history_in_any_order_and_split_gives_the_canonical_sessions];

const CASES: u32 = 48;

/// One of three vehicles, the direction, and the minute.
type Read = (u8, bool, i64);

/// A history in its order of arrival, including repeated reads, and the sizes of its batches.
fn histories() -> impl Strategy<Value = (Vec<Read>, Vec<usize>)> {
    let read = (0..3_u8, any::<bool>(), 0..40_i64);
    (
        vec(read, 1..120).prop_flat_map(|reads| {
            let repeated: Vec<Read> = reads.iter().chain(reads.iter().step_by(5)).copied().collect();
            Just(repeated).prop_shuffle()
        }),
        vec(1..20_usize, 1..12),
    )
}

async fn any_history_in_any_order_and_split_gives_the_canonical_sessions(store: Store) {
    let player = Player::on(&store).await;
    let runtime = tokio::runtime::Handle::current();
    let checked = tokio::task::spawn_blocking(move || {
        let mut runner = TestRunner::new(Config { cases: CASES, failure_persistence: None, ..Config::default() });
        let case = std::cell::Cell::new(0);
        runner.run(&histories(), |(reads, sizes)| {
            // All cases share one ledger; each has its own lot.
            let lot = format!("case{}", case.replace(case.get() + 1));
            runtime.block_on(check(&player, &lot, &reads, &sizes))
        })
    });
    checked.await.unwrap().unwrap();
}

async fn check(player: &Player, lot: &str, reads: &[Read], sizes: &[usize]) -> Result<(), TestCaseError> {
    let read = |(plate, is_exit, minute): &Read| {
        let direction = if *is_exit { Direction::Exit } else { Direction::Entry };
        event(&vehicle(lot, &format!("CAR{plate}")), direction, *minute)
    };
    let events: Vec<GateEvent> = reads.iter().map(read).collect();
    let mut rest = &events[..];
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (batch, left) = rest.split_at((*size).min(rest.len()));
        player.sees(batch, NOW).await;
        rest = left;
    }
    let of_lot = SessionFilter { lot: LotId::parse(lot).ok(), ..SessionFilter::default() };
    prop_assert_eq!(player.sessions(of_lot).await, player.canonical(&events));
    Ok(())
}
