//! Components of pairs and their marginals: every assignment one by one, and plain belief propagation.

use std::collections::BTreeSet;

/// A pair that is weighed.
#[derive(Debug, Clone)]
pub(super) struct Pair {
    pub entry: usize,
    pub exit: usize,
    pub weight: f64,
    pub probability: f64,
}

/// Parts the pairs: two are in one component when a chain of common ends leads from one to the other.
pub(super) fn components(mut pairs: Vec<Pair>) -> Vec<Vec<Pair>> {
    let mut components = Vec::new();
    while let Some(first) = pairs.pop() {
        let mut component = vec![first];
        loop {
            let touches = |pair: &Pair| component.iter().any(|own| own.entry == pair.entry || own.exit == pair.exit);
            let (near, far): (Vec<Pair>, Vec<Pair>) = pairs.into_iter().partition(touches);
            pairs = far;
            if near.is_empty() {
                break;
            }
            component.extend(near);
        }
        components.push(component);
    }
    components
}

/// The marginal of each pair: all assignments, exit by exit, of at most this many exits or entries.
pub(super) fn marginals(pairs: &mut [Pair]) {
    const SUMMED_MAX: usize = 8;
    let exits: Vec<usize> = pairs.iter().map(|pair| pair.exit).collect::<BTreeSet<_>>().into_iter().collect();
    let entries = pairs.iter().map(|pair| pair.entry).collect::<BTreeSet<_>>();
    if exits.len() > SUMMED_MAX && entries.len() > SUMMED_MAX {
        return propagate(pairs);
    }
    let mut sums = vec![0.0; pairs.len()];
    let mut chosen = Vec::new();
    let total = assign(pairs, &exits, &mut chosen, 1.0, &mut sums);
    for (pair, sum) in pairs.iter_mut().zip(sums) {
        pair.probability = sum / total;
    }
}

fn assign(pairs: &[Pair], exits: &[usize], chosen: &mut Vec<usize>, weight: f64, sums: &mut [f64]) -> f64 {
    let Some((exit, rest)) = exits.split_first() else {
        for place in chosen.iter() {
            sums[*place] += weight;
        }
        return weight;
    };
    let mut total = assign(pairs, rest, chosen, weight, sums);
    for place in (0..pairs.len()).filter(|place| pairs[*place].exit == *exit) {
        if chosen.iter().all(|other| pairs[*other].entry != pairs[place].entry) {
            chosen.push(place);
            total += assign(pairs, rest, chosen, weight * pairs[place].weight, sums);
            chosen.pop();
        }
    }
    total
}

/// Belief propagation for a component that is too large to sum: thirty rounds, and the smaller of what both ends say.
fn propagate(pairs: &mut [Pair]) {
    type Shares = fn(&Pair, &Pair) -> bool;
    let (same_exit, same_entry): (Shares, Shares) =
        (|one, other| one.exit == other.exit, |one, other| one.entry == other.entry);
    let others = |said: &[f64], place: usize, shares: Shares| -> f64 {
        let at_end = |other: &usize| *other != place && shares(&pairs[*other], &pairs[place]);
        (0..pairs.len()).filter(at_end).map(|other| said[other]).sum()
    };
    let answers = |said: &[f64], shares: Shares| -> Vec<f64> {
        (0..pairs.len()).map(|place| pairs[place].weight / (1.0 + others(said, place, shares))).collect()
    };
    let mut of_exits: Vec<f64> = pairs.iter().map(|pair| pair.weight).collect();
    let mut of_entries = Vec::new();
    for _ in 0..30 {
        of_entries = answers(&of_exits, same_entry);
        of_exits = answers(&of_entries, same_exit);
    }
    let share =
        |said: &[f64], place: usize, shares: Shares| said[place] / (1.0 + said[place] + others(said, place, shares));
    let smaller = |place| share(&of_exits, place, same_entry).min(share(&of_entries, place, same_exit));
    let marginals: Vec<f64> = (0..pairs.len()).map(smaller).collect();
    for (pair, marginal) in pairs.iter_mut().zip(marginals) {
        pair.probability = marginal;
    }
}
