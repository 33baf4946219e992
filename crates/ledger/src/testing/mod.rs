//! Fixtures for tests that need a ledger: ledgers that fail or that count calls, and one with several hours of stays.
//!
//! Compiled only for tests of this crate, and with the feature `testing` for tests of the crates above.

#![expect(clippy::unwrap_used, reason = "a fixture that can't be made ends its test")]

mod broken;
mod counting;

use parking::LotId;

use crate::Ledger;

pub use broken::{BrokenLedger, How};
pub use counting::CountingLedger;
pub use matching::testing::{Vehicles, minute, rules, vehicle};

/// Records stays of an hour and a half, one begun each hour of twelve, and a vehicle that stays; returns their lot.
pub async fn fill_some_hours(ledger: &impl Ledger) -> LotId {
    let mut vehicles = Vehicles::default();
    for hour in 0..12 {
        let plate = format!("CAR{}", hour % 3);
        for unit in
            [vehicles.entry("P3", &plate, minute(hour * 60)), vehicles.exit("P3", &plate, minute(hour * 60 + 90))]
        {
            ledger.record(vec![unit], &rules(), minute(0)).await.unwrap();
        }
    }
    let stays = vehicles.entry("P3", "STAYS", minute(0));
    ledger.record(vec![stays], &rules(), minute(0)).await.unwrap();
    LotId::parse("P3").unwrap()
}
