//! Bucket sort: distributes items over buckets of about two items each, then sorts each bucket.
//!
//! The caller maps an item to its bucket. The result is correct for any monotone mapping, and fast for an even one.

/// A bucket sort with a reusable buffer.
#[derive(Debug, Default)]
pub(super) struct BucketSort {
    /// The number of items of each bucket, then the position of its next item, in the end the end of the bucket.
    ends: Vec<u32>,
}

/// The number of buckets for `count` items, as a power of two.
pub(super) fn bucket_bits(count: usize) -> u32 {
    (count / 2).max(1).ilog2()
}

impl BucketSort {
    /// Sorts `items` into `sorted`: by bucket, which is below `buckets`, and by value within one bucket.
    pub(super) fn sort<T: Copy + Default + Ord>(
        &mut self,
        items: &[T],
        sorted: &mut Vec<T>,
        buckets: usize,
        bucket_of: impl Fn(&T) -> usize,
    ) {
        let ends = &mut self.ends;
        ends.clear();
        ends.resize(buckets, 0);
        for item in items {
            ends[bucket_of(item)] += 1;
        }
        let mut sum = 0;
        for end in &mut *ends {
            sum += std::mem::replace(end, sum);
        }
        sorted.resize(items.len(), T::default());
        for item in items {
            let end = &mut ends[bucket_of(item)];
            sorted[*end as usize] = *item;
            *end += 1;
        }
        let mut start = 0;
        for end in &*ends {
            let end = *end as usize;
            if end - start > 1 {
                sorted[start..end].sort_unstable();
            }
            start = end;
        }
    }
}
