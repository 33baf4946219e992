//! Packs intervals into the fewest lanes without overlaps. Pure.

/// The lane of each interval `(begin, end)`, in the order given: the first lane that is free at its begin.
///
/// Intervals that only touch may share a lane; one that ends before it begins counts as a point.
pub(super) fn pack(intervals: &[(i64, i64)]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..intervals.len()).collect();
    order.sort_by_key(|place| intervals[*place].0);
    let mut lanes = vec![0; intervals.len()];
    let mut taken_until: Vec<i64> = Vec::new();
    for place in order {
        let (begin, end) = intervals[place];
        let lane = taken_until.iter().position(|until| *until <= begin).unwrap_or(taken_until.len());
        if lane == taken_until.len() {
            taken_until.push(end);
        }
        taken_until[lane] = end.max(begin);
        lanes[place] = lane;
    }
    lanes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_first_free_lane_is_taken() {
        assert_eq!(pack(&[]), Vec::<usize>::new());
        assert_eq!(pack(&[(0, 10), (2, 4), (4, 6), (10, 12), (5, 5)]), [0, 1, 1, 0, 2]);
    }

    proptest! {
        #[test]
        fn no_interval_covers_another_and_no_lane_is_wasted(
            lengths in proptest::collection::vec((0_i64..200, 1_i64..40), 0..80)
        ) {
            let intervals: Vec<(i64, i64)> = lengths.iter().map(|(begin, length)| (*begin, begin + length)).collect();
            let lanes = pack(&intervals);

            for (one, other) in (0..lanes.len()).flat_map(|one| (0..one).map(move |other| (one, other))) {
                let ((from, to), (begin, end)) = (intervals[one], intervals[other]);
                prop_assert!(lanes[one] != lanes[other] || to <= begin || end <= from);
            }
            let deepest = (0..240).map(|at| intervals.iter().filter(|(from, to)| (*from..*to).contains(&at)).count()).max();
            prop_assert_eq!(lanes.iter().max().map_or(0, |lane| lane + 1), deepest.unwrap_or(0));
        }
    }
}
