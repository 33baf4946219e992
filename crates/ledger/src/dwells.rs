//! Histograms of stay durations: exact enough for percentiles, small enough to keep one for every quarter hour of every
//! lot.
//!
//! Buckets are log-linear: each power of two has 64 of them, so that the middle of a bucket is at most 0.8 % away from
//! any duration in it. Below 64 ms each millisecond has its own bucket. Bucket numbers are stored and never change
//! their meaning.

use std::ops::Range;

use super::Error;

/// Each power of two has two to the power of this many buckets.
const PRECISION_BITS: u32 = 6;
const BUCKETS_PER_POWER: u16 = 1 << PRECISION_BITS;
/// The first byte of a stored histogram, which identifies its encoding.
const FORMAT: u8 = 1;

/// A histogram of stay durations. Also used as a difference of two histograms, which may have negative counts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dwells {
    /// Buckets with their counts, by bucket; no count is zero.
    counts: Vec<(u16, i64)>,
}

impl Dwells {
    /// Adds `stays` stays (removes them if negative) that lasted `dwell_ms` milliseconds.
    pub fn add(&mut self, dwell_ms: i64, stays: i64) {
        self.add_to_bucket(bucket_of(dwell_ms), stays);
    }

    fn add_to_bucket(&mut self, bucket: u16, stays: i64) {
        match self.counts.binary_search_by_key(&bucket, |(known, _)| *known) {
            Ok(index) => {
                let count = &mut self.counts[index].1;
                *count += stays;
                if *count == 0 {
                    self.counts.remove(index);
                }
            }
            Err(index) if stays != 0 => self.counts.insert(index, (bucket, stays)),
            Err(_) => {}
        }
    }

    /// Adds the stays of `other`.
    pub fn merge(&mut self, other: &Self) {
        if self.counts.is_empty() {
            self.counts.clone_from(&other.counts);
            return;
        }
        for (bucket, stays) in &other.counts {
            self.add_to_bucket(*bucket, *stays);
        }
    }

    /// Whether no stay is counted.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// Returns the number of counted stays.
    pub fn stays(&self) -> i64 {
        self.counts.iter().map(|(_, stays)| stays).sum()
    }

    /// Returns the duration in milliseconds that `permille` of 1,000 stays do not exceed, at most 0.8 % away from the
    /// exact one; `None` without stays.
    pub fn quantile_ms(&self, permille: i64) -> Option<i64> {
        let rank = ((self.stays() * permille + 999) / 1_000).max(1);
        let mut so_far = 0;
        let reaches = |(_, stays): &&(u16, i64)| {
            so_far += stays;
            so_far >= rank
        };
        let (bucket, _) = self.counts.iter().find(reaches)?;
        let Range { start, end } = bounds_ms(*bucket);
        Some(start + (end - start) / 2)
    }

    /// Returns the non-empty buckets by duration: their range in milliseconds, and the number of stays.
    pub fn buckets(&self) -> impl Iterator<Item = (Range<i64>, i64)> {
        self.counts.iter().map(|(bucket, stays)| (bounds_ms(*bucket), *stays))
    }

    /// Encodes the histogram as it is stored; an empty one has no bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        if self.counts.is_empty() {
            return Vec::new();
        }
        let mut before = 0;
        let step = |(bucket, stays): &(u16, i64)| {
            let step = bucket - before;
            before = *bucket;
            (step, *stays)
        };
        let steps: Vec<(u16, i64)> = self.counts.iter().map(step).collect();
        postcard::to_extend(&steps, vec![FORMAT]).expect("serializing into a Vec cannot fail")
    }

    /// Decodes a stored histogram.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] if the bytes are no histogram, or one of a newer format.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let steps: Vec<(u16, i64)> = match bytes.split_first() {
            None => Vec::new(),
            Some((&FORMAT, rest)) => postcard::from_bytes(rest)
                .map_err(|error| Error::Corrupt(format!("the dwells of a quarter hour are damaged: {error}")))?,
            Some((format, _)) => {
                let problem =
                    format!("the dwells of a quarter hour have the format {format}, and only {FORMAT} is known");
                return Err(Error::Corrupt(problem));
            }
        };
        let mut bucket: u16 = 0;
        let count = |(step, stays): (u16, i64)| {
            bucket = bucket.saturating_add(step);
            (bucket, stays)
        };
        Ok(Self { counts: steps.into_iter().map(count).collect() })
    }
}

/// Returns the bucket of a duration. Negative durations, which no session has, count as zero.
fn bucket_of(dwell_ms: i64) -> u16 {
    let millis = dwell_ms.max(0).unsigned_abs();
    let shift = (u64::BITS - millis.leading_zeros()).saturating_sub(PRECISION_BITS + 1);
    let bucket = (u64::from(shift) << PRECISION_BITS) + (millis >> shift);
    u16::try_from(bucket).expect("the largest number gives 3,711")
}

/// Returns the range of durations in a bucket, in milliseconds.
fn bounds_ms(bucket: u16) -> Range<i64> {
    start_ms(bucket)..start_ms(bucket.saturating_add(1))
}

fn start_ms(bucket: u16) -> i64 {
    let shift = (bucket / BUCKETS_PER_POWER).saturating_sub(1);
    let part = u64::from(bucket - shift * BUCKETS_PER_POWER);
    part.checked_mul(1_u64.checked_shl(shift.into()).unwrap_or(u64::MAX))
        .and_then(|millis| i64::try_from(millis).ok())
        .unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn buckets_follow_each_other_without_a_gap() {
        for bucket in 0..3_711 {
            let Range { start, end } = bounds_ms(bucket);
            assert!(start < end, "{bucket}");
            assert_eq!([bucket_of(start), bucket_of(end - 1), bucket_of(end)], [bucket, bucket, bucket + 1]);
        }
        assert_eq!((bucket_of(i64::MAX), bucket_of(-5), bounds_ms(3_711).end), (3_711, 0, i64::MAX));
    }

    #[test]
    fn what_is_taken_away_is_gone() {
        let mut dwells = Dwells::default();
        dwells.add(5_000, 2);
        dwells.add(60_000, 1);
        dwells.add(5_000, -2);
        assert_eq!(dwells.stays(), 1);
        dwells.add(60_000, -1);
        assert_eq!((dwells.is_empty(), dwells.quantile_ms(500)), (true, None));
    }

    #[test]
    fn counts_of_an_unknown_format_are_refused() {
        let expected = Error::Corrupt("the dwells of a quarter hour have the format 2, and only 1 is known".into());
        assert_eq!(Dwells::from_bytes(&[2, 0]), Err(expected));
    }

    proptest! {
        #[test]
        fn a_percentile_is_at_most_a_hundredth_away(
            mut dwells in prop::collection::vec(0..3_000_000_000_i64, 1..300),
            permille in 0..=1_000_i64,
        ) {
            let mut counted = Dwells::default();
            for dwell in &dwells {
                counted.add(*dwell, 1);
            }
            dwells.sort_unstable();
            let count = i64::try_from(dwells.len()).unwrap();
            let rank = ((count * permille + 999) / 1_000).max(1);
            let exact = dwells[usize::try_from(rank - 1).unwrap()];

            let told = counted.quantile_ms(permille).unwrap();

            prop_assert!((told - exact).abs() * 100 <= exact, "{told} for an exact {exact}");
        }

        #[test]
        fn counts_are_read_back_and_merge_like_the_stays_themselves(
            one in prop::collection::vec((any::<i64>(), -3..9_i64), 0..100),
            other in prop::collection::vec((any::<i64>(), -3..9_i64), 0..100),
        ) {
            let counted = |stays: &[(i64, i64)]| {
                let mut dwells = Dwells::default();
                for (dwell, count) in stays {
                    dwells.add(*dwell, *count);
                }
                dwells
            };
            let together = counted(&[&one[..], &other[..]].concat());
            let mut merged = counted(&one);
            merged.merge(&counted(&other));
            prop_assert_eq!(&merged, &together);
            prop_assert_eq!(Dwells::from_bytes(&together.to_bytes()), Ok(together));
        }
    }
}
