//! The shapes of a recount: the counts of quarter hours that differ from their sessions. The adapters count.

use std::fmt;

use parking::LotId;

use crate::counts::{Counts, Tally, start_of};

/// The start of a part: the number of a lot, and the number of a quarter hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuarterPlace {
    /// The lot's number in the store.
    pub lot_number: i64,
    /// The number of the quarter hour.
    pub quarter: i64,
}

impl QuarterPlace {
    /// The start of the first part.
    pub const FIRST: Self = Self { lot_number: i64::MIN, quarter: i64::MIN };
}

/// The result of comparing some quarter hours, all read at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recounted {
    /// The number of quarter hours compared.
    pub quarters: u64,
    /// The number of quarter hours whose stored counts differ from the sessions.
    pub different: u64,
    /// The first hundred differences, by lot and quarter hour.
    pub differences: Vec<QuarterDifference>,
    /// The start of the next part; `None` after the last quarter hour.
    pub next: Option<QuarterPlace>,
}

/// A quarter hour whose stored counts differ from its sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuarterDifference {
    /// The lot.
    pub lot: LotId,
    /// The number of the quarter hour.
    pub quarter: i64,
    /// The stored counts.
    pub stored: Tally,
    /// The counts of the sessions.
    pub recounted: Tally,
}

impl fmt::Display for QuarterDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "lot {}, quarter hour {}", self.lot, start_of(self.quarter))?;
        let figures = figures(&self.stored.counts).into_iter().zip(figures(&self.recounted.counts));
        let mut separator = ":";
        for ((name, stored), (_, recounted)) in figures.filter(|(stored, recounted)| stored != recounted) {
            write!(f, "{separator} {name}: {stored} stored, {recounted} recounted")?;
            separator = ",";
        }
        let (stored, recounted) = (&self.stored.dwells, &self.recounted.dwells);
        if stored != recounted {
            let (stored, recounted) = (stored.stays(), recounted.stays());
            write!(f, "{separator} dwells: {stored} stored, {recounted} recounted")?;
            if stored == recounted {
                write!(f, ", of other lengths")?;
            }
        }
        Ok(())
    }
}

fn figures(counts: &Counts) -> [(&'static str, i64); 7] {
    let Counts { entries, exits, matched, unmatched_exits, unmatched_entries, inside_ms, dwell_ms } = *counts;
    [
        ("entries", entries),
        ("exits", exits),
        ("matched", matched),
        ("unmatched_exits", unmatched_exits),
        ("unmatched_entries", unmatched_entries),
        ("inside_ms", inside_ms),
        ("stays_ms", dwell_ms),
    ]
}
