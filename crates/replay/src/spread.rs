//! Sorts many things by spreading them over places first: about two for each place, so that most are in order by being
//! put there.
//!
//! Which place is whose is the caller's to say; the result is right for any answer, and fast for an even one.

/// Sorts in room of its own.
#[derive(Debug, Default)]
pub(super) struct Spread {
    /// First how many things belong to each place, then where the next one of it goes, and so in the end where it ends.
    ends: Vec<u32>,
}

/// For so many things there should be two to the power of this many places.
pub(super) fn place_bits(count: usize) -> u32 {
    (count / 2).max(1).ilog2()
}

impl Spread {
    /// Puts `things` in order into `sorted`: by the place of each, which is below `places`, and on one place by value.
    pub(super) fn sort<T: Copy + Default + Ord>(
        &mut self,
        things: &[T],
        sorted: &mut Vec<T>,
        places: usize,
        place_of: impl Fn(&T) -> usize,
    ) {
        let ends = &mut self.ends;
        ends.clear();
        ends.resize(places, 0);
        for thing in things {
            ends[place_of(thing)] += 1;
        }
        let mut sum = 0;
        for end in &mut *ends {
            sum += std::mem::replace(end, sum);
        }
        sorted.resize(things.len(), T::default());
        for thing in things {
            let end = &mut ends[place_of(thing)];
            sorted[*end as usize] = *thing;
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
